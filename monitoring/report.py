"""A drift report: what the live model saw lately, against what it was measured on.

Every call leaves one report in the database, also where there was too little to judge.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any

from sqlalchemy import Engine

from monitoring.export import export
from monitoring.histogram import label_histogram, number_histogram
from monitoring.summary import summary, too_little_data
from monitoring.verdict import Verdict, column_threshold, verdict
from monitoring.window import Columns, comparable, window_columns
from plumbline.settings import Settings
from scoring.artifact import Artifact
from scoring.profile import Profile
from scoring.registry import resolve
from storage import deployments, drift
from storage.database import clear_errors
from storage.drift import NewReport, NewValue, Observed

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Judgement:
    verdict: Verdict
    summary: str
    values: Sequence[NewValue] = ()
    html_path: Path | None = None


def make_report(
    engine: Engine,
    settings: Settings,
    *,
    source: str | None = None,
    since: datetime | None = None,
    task_id: str | None = None,
) -> int:
    """Compare the live model's recent predictions with its profile; return the report's id.

    The window is of `source`, or of all. It starts at `since`, in UTC where that names no zone, or
    `drift_window_s` ago, and holds the newest `drift_max_rows`. Raises StorageError or
    ScoringError, each with one sentence.
    """
    started = perf_counter()
    with clear_errors(engine), engine.connect() as connection:
        wanted = deployments.live_model(connection) or settings.model
        artifact = Artifact.load(resolve(settings.models_dir, wanted))
        rows = drift.window(
            connection,
            artifact.name,
            source=source,
            since=since.replace(tzinfo=since.tzinfo or UTC) if since else None,
            window_s=settings.drift_window_s,
            limit=settings.drift_max_rows,
        )
    profile = artifact.profile()
    judgement = judge(profile, rows, settings)
    report = NewReport(
        model=artifact.name,
        source=source,
        verdict=str(judgement.verdict),
        summary=judgement.summary,
        window_from=rows[0].scored_at if rows else None,
        window_to=rows[-1].scored_at if rows else None,
        window_rows=len(rows),
        reference_rows=profile.rows,
        html_path=str(judgement.html_path) if judgement.html_path else None,
        task_id=task_id,
        took_ms=1000.0 * (perf_counter() - started),
    )
    with clear_errors(engine), engine.begin() as connection:
        report_id = drift.add(connection, report, judgement.values)
    log.info("drift report %d of %s: %s", report_id, report.model, report.summary)
    return report_id


def judge(profile: Profile, rows: Sequence[Observed], settings: Settings) -> Judgement:
    """Test every column both sides have, and write the page; too few rows are only counted."""
    if len(rows) < settings.drift_min_rows:
        return Judgement(
            Verdict.TOO_LITTLE_DATA, too_little_data(len(rows), settings.drift_min_rows)
        )
    # Brings Evidently; a report that has too little to judge does without.
    from monitoring.comparison import Comparison

    window = window_columns(rows)
    names = comparable(profile, window)
    threshold = column_threshold(settings.drift_alpha, len(names))
    comparison = Comparison(profile.columns, window, names, threshold)
    findings = comparison.findings()
    histograms = {name: histogram(name, profile, window) for name in names}
    values = [
        NewValue(
            feature=finding.feature,
            method=str(finding.method),
            value=finding.p_value,
            threshold=finding.threshold,
            drifted=finding.drifted,
            histogram=histograms[finding.feature],
        )
        for finding in findings
    ]
    return Judgement(
        verdict(findings),
        summary(findings, profile.columns, window, histograms),
        values,
        export(settings.reports_dir, comparison.html, datetime.now(UTC)),
    )


def histogram(name: str, profile: Profile, window: Columns) -> dict[str, Any]:
    if name in profile.histograms:
        return number_histogram(profile.histograms[name], [float(v) for v in window[name]])
    return label_histogram([str(v) for v in profile.columns[name]], [str(v) for v in window[name]])
