"""Quality reports: one row a window of time, version, role and source, estimated and realized.

Windows are aligned (with a day each: midnight to midnight UTC), so that a label that comes late
finds its window, and a window has one row however often it is looked at.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, Engine

from monitoring.quality.estimated import Calibration, Estimate, Expected, Side, estimate
from monitoring.quality.realized import Confusion, Realized, realized
from plumbline.settings import Settings
from scoring.artifact.artifact import Artifact
from scoring.artifact.registry import resolve
from scoring.errors import ScoringError
from storage.database import clear_errors
from storage.reports import quality
from storage.reports.quality import Counted, Measure, Report
from storage.serving import deployments
from storage.states import Role
from storage.tables import Metric

log = logging.getLogger(__name__)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Made:
    windows: int
    reports: int


def make_reports(
    engine: Engine,
    settings: Settings,
    *,
    now: datetime,
    task_id: str | None = None,
) -> Made | None:
    """Make the reports of every window that got predictions or labels since it was last made.

    With `task_id` somebody waits for an answer: the window of `now` is made whether anything
    changed or not, and has a report that says so where it is empty.
    Returns None where another process makes them. Raises StorageError with one sentence.
    """
    width_s = settings.quality_window_s
    with clear_errors(engine), engine.begin() as connection:
        if not quality.lock(connection, wait=task_id is not None):
            return None
        starts = set(quality.changed_windows(connection, width_s))
        if task_id is not None:
            starts.add(window_start(now, width_s))
        calibrations = Calibrations(settings.models_dir)
        reports = [
            report
            for start in sorted(starts)
            for report in of_window(connection, start, width_s, calibrations)
        ]
        if task_id is not None and not reports:
            live = deployments.live_model(connection) or settings.model
            reports = [empty(live, window_start(now, width_s), width_s)]
        quality.write(connection, reports, task_id)
    if reports:
        log.info("%d quality reports of %d windows", len(reports), len(starts))
    return Made(len(starts), len(reports))


def window_start(moment: datetime, width_s: float) -> datetime:
    """The start of the window a moment lies in."""
    whole = (moment - EPOCH).total_seconds() // width_s
    return EPOCH + timedelta(seconds=whole * width_s)


def of_window(
    connection: Connection, start: datetime, width_s: float, calibrations: Calibrations
) -> list[Report]:
    end = start + timedelta(seconds=width_s)
    counted = quality.count(connection, start, end)
    return [report(row, start, end, calibrations.of(row.model)) for row in counted]


class Calibrations:
    """What each version's files say of its probabilities, read once."""

    def __init__(self, models_dir: Path) -> None:
        self._models_dir = models_dir
        self._known: dict[str, Calibration | None] = {}

    def of(self, model: str) -> Calibration | None:
        """None where the files are not on this machine, or do not tell; the log says so."""
        if model not in self._known:
            self._known[model] = self._read(model)
        return self._known[model]

    def _read(self, model: str) -> Calibration | None:
        try:
            artifact = Artifact.load(resolve(self._models_dir, model))
            found = Calibration.of(artifact.profile(), artifact.manifest.metrics)
        except ScoringError as error:
            log.warning("the estimates of %s are not corrected: %s", model, error)
            return None
        if found is None:
            log.warning(
                "the estimates of %s are not corrected: its profile and manifest do not tell how "
                "it did on the validation split",
                model,
            )
        return found


def report(
    counted: Counted, start: datetime, end: datetime, calibration: Calibration | None
) -> Report:
    confusion = Confusion(counted.tp, counted.fp, counted.fn, counted.tn)
    return Report(
        model=counted.model,
        role=counted.role,
        source=counted.source,
        window_from=start,
        window_to=end,
        window_rows=counted.rows,
        labelled_rows=confusion.rows,
        positive_share=counted.positives / counted.rows if counted.rows else None,
        calibration_rows=calibration.rows if calibration else None,
        measures=measures(estimate(expected(counted), calibration), realized(confusion)),
    )


def expected(counted: Counted) -> Expected:
    return Expected(
        Side(counted.positives, counted.wrong_positives, counted.wrong_positives_squared),
        Side(
            counted.rows - counted.positives,
            counted.wrong_negatives,
            counted.wrong_negatives_squared,
        ),
    )


def measures(
    estimates: Mapping[Metric, Estimate], truths: Mapping[Metric, Realized | None]
) -> Sequence[Measure]:
    return [measure(metric, estimates[metric], truths[metric]) for metric in Metric]


def measure(metric: Metric, guess: Estimate, truth: Realized | None) -> Measure:
    told = (truth.value, truth.low, truth.high) if truth else (None, None, None)
    return Measure(str(metric), guess.value, guess.low, guess.high, *told)


def empty(model: str, start: datetime, width_s: float) -> Report:
    """What is said of a window without a single prediction."""
    nothing = Counted(model, str(Role.LIVE), None, 0, 0, 0.0, 0.0, 0.0, 0.0, 0, 0, 0, 0)
    return report(nothing, start, start + timedelta(seconds=width_s), None)
