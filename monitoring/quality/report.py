"""Quality reports: one row per window of time, version, role and source.

Windows are aligned (with a width of one day: midnight to midnight UTC). A late label therefore
belongs to exactly one window, and a window keeps one row however often it is refreshed.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import monotonic

from sqlalchemy import Connection, Engine

from monitoring.quality.combined import (
    LabelledSums,
    Side,
    Stratum,
    calibrated_metrics,
    combined_metrics,
)
from monitoring.quality.estimated import (
    CalibrationErrors,
    ErrorSums,
    EstimatedMetric,
    WindowSums,
    estimated_metrics,
)
from monitoring.quality.realized import (
    ConfusionCounts,
    LabelledSource,
    RealizedMetric,
    realized_metrics,
)
from plumbline.registered_trust import registered_trust
from plumbline.settings import Settings
from scoring.artifact.artifact import Artifact
from scoring.artifact.registry import resolve
from scoring.errors import ScoringError
from storage.database import now as database_now
from storage.database import translate_errors
from storage.reports import quality, quality_counts, quality_samples
from storage.reports.quality import NewMetricValues, QualityWindow
from storage.reports.quality_counts import OTHER_SOURCES, WindowCounts
from storage.serving import deployments
from storage.states import Metric, Role

log = logging.getLogger(__name__)
# A run that makes reports for longer delays other reports, and nobody needs the oldest first.
LIMIT_S = 20.0
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ReportCounts:
    """The windows that were refreshed and the reports that were written."""

    windows: int
    reports: int


def make_reports(
    engine: Engine,
    settings: Settings,
    *,
    task_id: str | None = None,
    now: datetime | None = None,
    limit_s: float = LIMIT_S,
) -> ReportCounts | None:
    """Make the reports of every window with predictions or labels newer than its report.

    Of the windows that have none, those that do not fit into `limit_s` are left to the next runs,
    the oldest last: an installation may have years of predictions before its first report.
    With `task_id` a command waits for the reports: the current window is refreshed even if nothing
    changed, and has an empty report if nothing was scored in it. `now` replaces PostgreSQL's clock,
    which dates the predictions.
    Returns None if another process is making reports. Raises StorageError.
    """
    width_s = settings.quality_window_s
    ends_at = monotonic() + limit_s
    with translate_errors(engine), engine.begin() as connection:
        if not quality.lock(connection, wait=task_id is not None):
            return None
        starts = set(quality_counts.changed_windows(connection, width_s))
        current = window_start(now or database_now(connection), width_s)
        if task_id is not None:
            starts.add(current)
        calibrations = CalibrationCache(connection, settings)
        reports: list[QualityWindow] = []
        for start in sorted(starts):
            reports += window_reports(connection, start, settings, calibrations)
        for start in quality_counts.unreported_windows(connection, width_s):
            if monotonic() >= ends_at:
                log.info("the quality reports of earlier windows are left to the next runs")
                break
            if start not in starts:
                starts.add(start)
                reports += window_reports(connection, start, settings, calibrations)
        if task_id is not None and not reports:
            model = deployments.live_model(connection) or settings.model
            reports = [empty_report(model, current, width_s)]
        quality.write(connection, reports, task_id)
    if reports:
        log.info("%d quality reports of %d windows", len(reports), len(starts))
    return ReportCounts(len(starts), len(reports))


def window_start(time: datetime, width_s: float) -> datetime:
    """Return the start of the window that contains `time`."""
    index = (time - EPOCH).total_seconds() // width_s
    return EPOCH + timedelta(seconds=index * width_s)


def window_reports(
    connection: Connection, start: datetime, settings: Settings, calibrations: CalibrationCache
) -> list[QualityWindow]:
    """Return the reports of one window, and delete earlier ones on sources that it has not.

    If retention has deleted predictions of the window, its reports stay as they are.
    """
    end = start + timedelta(seconds=settings.quality_window_s)
    counts = quality_samples.count(connection, start, end, settings.max_sources)
    stored = sum(row.rows for row in counts if row.source is None)
    if stored < quality.reported_rows(connection, start, end):
        return []
    sources = {row.source for row in counts if row.source is not None}
    quality.forget_other_sources(connection, start, end, sorted(sources))
    if OTHER_SOURCES in sources:
        log.info(
            "the quality report of %s has the %d largest sources; PLUMBLINE_MAX_SOURCES sets how "
            "many it names, and all others are %s",
            start,
            settings.max_sources,
            OTHER_SOURCES,
        )
    groups: dict[tuple[str, str], list[WindowCounts]] = defaultdict(list)
    for row in counts:
        if row.source is not None:
            groups[row.model, row.role].append(row)
    return [
        make_report(
            row,
            start,
            end,
            calibrations.of(row.model),
            groups[row.model, row.role] if row.source is None else [row],
        )
        for row in counts
    ]


class CalibrationCache:
    """The calibration errors of each version, read from its files once."""

    def __init__(self, connection: Connection, settings: Settings) -> None:
        self._connection = connection
        self._settings = settings
        self._by_model: dict[str, CalibrationErrors | None] = {}

    def of(self, model: str) -> CalibrationErrors | None:
        """Return None, and log why, if the files are not on this machine or lack the numbers."""
        if model not in self._by_model:
            self._by_model[model] = self._read(model)
        return self._by_model[model]

    def _read(self, model: str) -> CalibrationErrors | None:
        try:
            trust = registered_trust(self._connection, self._settings, model)
            artifact = Artifact.load(resolve(self._settings.models_dir, model), trust)
            calibration = CalibrationErrors.of(artifact.profile(), artifact.manifest.metrics)
        except ScoringError as error:
            log.warning("the estimates of %s are not corrected: %s", model, error)
            return None
        if calibration is None:
            log.warning(
                "the estimates of %s are not corrected: its profile and manifest do not have the "
                "errors on the validation split",
                model,
            )
        return calibration


def make_report(
    counts: WindowCounts,
    start: datetime,
    end: datetime,
    calibration: CalibrationErrors | None,
    sources: Sequence[WindowCounts],
) -> QualityWindow:
    """`sources` are the counts of each source that `counts` is about."""
    strata = [stratum(source) for source in sources]
    estimated = estimated_metrics(window_sums(counts), calibration)
    realized = realized_metrics([LabelledSource(row.rows, confusion(row)) for row in sources])
    combined = combined_metrics(strata)
    calibrated = calibrated_metrics(strata, calibration)
    labelled = [row for row in sources if confusion(row).rows]
    sampled = [row for row in sources if random_rows(row)]
    return QualityWindow(
        model=counts.model,
        role=counts.role,
        source=counts.source,
        window_from=start,
        window_to=end,
        window_rows=counts.rows,
        labelled_rows=confusion(counts).rows,
        positive_share=counts.positives / counts.rows if counts.rows else None,
        calibration_rows=calibration.rows if calibration else None,
        metrics=[
            metric_values(
                metric, estimated[metric], realized[metric], combined[metric], calibrated[metric]
            )
            for metric in Metric
        ],
        scored_from=counts.scored_from,
        scored_to=counts.scored_to,
        random_rows=sum(random_rows(row) for row in sources),
        labelled_sources=named_sources(labelled) if counts.source is None else None,
        labelled_share=share_of_rows(labelled, counts),
        combined_share=share_of_rows(sampled, counts),
        sampled_rows=sampled_rows(counts),
    )


def sampled_rows(counts: WindowCounts) -> int | None:
    """Return from how many rows the sums are estimated; None if from all of them."""
    read = counts.sampled_rows
    return read if read is not None and read < counts.rows else None


def confusion(counts: WindowCounts) -> ConfusionCounts:
    return ConfusionCounts(counts.tp, counts.fp, counts.fn, counts.tn)


def random_rows(counts: WindowCounts) -> int:
    return round(counts.random_positives[0] + counts.random_negatives[0])


def named_sources(counts: Sequence[WindowCounts]) -> list[str]:
    """Return their names, the largest first."""
    by_size = sorted(counts, key=lambda row: row.rows, reverse=True)
    return [row.source for row in by_size if row.source is not None]


def share_of_rows(part: Sequence[WindowCounts], counts: WindowCounts) -> float | None:
    return sum(row.rows for row in part) / counts.rows if counts.rows else None


def window_sums(counts: WindowCounts) -> WindowSums:
    of_positives, of_wrong_positives, of_wrong_negatives = counts.variances
    return WindowSums(
        ErrorSums(
            counts.positives,
            counts.wrong_positives,
            counts.wrong_positives_squared,
            of_wrong_positives,
        ),
        ErrorSums(
            counts.rows - counts.positives,
            counts.wrong_negatives,
            counts.wrong_negatives_squared,
            of_wrong_negatives,
        ),
        of_positives,
    )


def stratum(counts: WindowCounts) -> Stratum:
    sums = window_sums(counts)
    return Stratum(
        Side(sums.positive, labelled_sums(counts.random_positives)),
        Side(sums.negative, labelled_sums(counts.random_negatives)),
        sums.positives_variance,
    )


def labelled_sums(sums: Sequence[float]) -> LabelledSums:
    rows, errors, *others = sums
    return LabelledSums(round(rows), round(errors), *others)


def metric_values(
    metric: Metric,
    estimated: EstimatedMetric,
    realized: RealizedMetric | None,
    combined: EstimatedMetric,
    calibrated: EstimatedMetric,
) -> NewMetricValues:
    return NewMetricValues(
        metric=str(metric),
        estimated=estimated.value,
        estimated_low=estimated.low,
        estimated_high=estimated.high,
        realized=realized.value if realized else None,
        realized_low=realized.low if realized else None,
        realized_high=realized.high if realized else None,
        combined=combined.value,
        combined_low=combined.low,
        combined_high=combined.high,
        calibrated=calibrated.value,
        calibrated_low=calibrated.low,
        calibrated_high=calibrated.high,
    )


def empty_report(model: str, start: datetime, width_s: float) -> QualityWindow:
    """Return the report of a window without predictions."""
    counts = WindowCounts(model, str(Role.LIVE), None, 0, 0, 0.0, 0.0, 0.0, 0.0, 0, 0, 0, 0)
    return make_report(counts, start, start + timedelta(seconds=width_s), None, ())
