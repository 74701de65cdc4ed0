"""A report's exports: Evidently's page, and a run in its workspace. The database needs neither."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from monitoring.drift.assessment import Assessment, AssessmentInput
from monitoring.drift.dashboard import (
    COLUMN_THRESHOLD,
    COMBINED,
    ESTIMATE_ALERT,
    ESTIMATED,
    JOINT_THRESHOLD,
    REALIZED,
    REALIZED_ALERT,
)
from monitoring.drift.heading import Heading
from monitoring.drift.html_page import write_page
from plumbline.settings import Settings
from storage.reports.accuracy import Accuracy
from storage.reports.drift import NewDriftReport, Window
from storage.states import JOINT_FEATURE


def report_content(
    window: Window, data: AssessmentInput, assessment: Assessment
) -> dict[str, Any] | None:
    """Return what page and run show; None if the report compared nothing."""
    if assessment.content is None:
        return None
    reference = data.reference
    heading = Heading(
        model=window.model,
        source=window.source,
        verdict=assessment.verdict,
        summary=assessment.summary,
        window_rows=len(data.rows),
        window_from=data.rows[0].scored_at,
        window_to=data.rows[-1].scored_at,
        reference=reference.description,
        reference_rows=reference.rows,
    )
    return assessment.content(heading)


def export_page(
    content: dict[str, Any] | None, settings: Settings, made_at: datetime
) -> Path | None:
    if content is None:
        return None
    from monitoring.drift.comparison import page_html

    return write_page(
        settings.reports_dir,
        lambda: page_html(content, content["widgets"][0]["title"]),
        made_at.astimezone(UTC),
        settings.drift_pages,
    )


def export_run(
    content: dict[str, Any] | None,
    report_id: int,
    report: NewDriftReport,
    values: Mapping[str, float],
    made_at: datetime,
    settings: Settings,
) -> None:
    """Add the report to Evidently's workspace, in the project of the model's name."""
    folder = settings.workspace_dir
    if content is None or folder is None:
        return
    from monitoring.drift.workspace import (
        RUNS_PER_PAGE,
        WorkspaceRun,
        add_run,
        with_recorded_values,
    )

    run = WorkspaceRun(
        report_id, report.model, report.source, report.verdict, report.summary, made_at
    )
    project = report.model.partition("/")[0]
    keep = RUNS_PER_PAGE * settings.drift_pages
    add_run(folder, project, with_recorded_values(content, values), run, keep)


def recorded_values(
    assessment: Assessment, accuracy: Accuracy, settings: Settings
) -> dict[str, float]:
    """Return what the dashboard plots in addition to scores, by name; without unknown values."""
    thresholds = {value.feature: value.threshold for value in assessment.values}
    columns = [value for value in assessment.values if value.histogram]
    estimated, realized = settings.alert_estimated_accuracy, settings.alert_realized_accuracy
    values = {
        JOINT_THRESHOLD: thresholds.get(JOINT_FEATURE),
        COLUMN_THRESHOLD: columns[0].threshold if columns else None,
        # 0 disables an alert.
        ESTIMATE_ALERT: estimated or None,
        REALIZED_ALERT: realized or None if realized != estimated else None,
        ESTIMATED: accuracy.estimated,
        COMBINED: accuracy.combined,
        REALIZED: accuracy.realized,
    }
    return {name: value for name, value in values.items() if value is not None}
