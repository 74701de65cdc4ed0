"""Drift reports on the recent predictions of the live model.

Every requested report becomes a row in the database, even if there is too little data or the
comparison fails.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter

from sqlalchemy import Connection, Engine

from monitoring.drift.assessment import Assessment, AssessmentInput, assess
from monitoring.drift.html_page import write_page
from monitoring.drift.reference import (
    earlier_window,
    empty_reference,
    profile_reference,
    window_reference,
)
from monitoring.drift.request import DriftReportRequest
from plumbline.registered_trust import registered_trust
from plumbline.settings import Settings
from scoring.artifact.artifact import Artifact
from scoring.artifact.registry import model_name, resolve
from scoring.errors import ScoringError
from storage.database import now, translate_errors
from storage.reports import drift
from storage.reports.drift import NewDriftReport, Window
from storage.serving import deployments
from storage.states import DriftVerdict, ReferenceKind

log = logging.getLogger(__name__)
# The largest sources have reports of their own.
MAX_SOURCES = 20


def make_reports(engine: Engine, settings: Settings, request: DriftReportRequest) -> list[int]:
    """Make the requested reports; return their ids, that of all sources first.

    They share the false-alarm rate `drift_alpha` equally. Raises StorageError.
    """
    with translate_errors(engine), engine.connect() as connection:
        window = requested_window(connection, settings, request)
        sources = reported_sources(connection, window, settings, request)
    alpha = settings.drift_alpha / len(sources)
    return [
        make_report(engine, settings, request, replace(window, source=source), alpha)
        for source in sources
    ]


def requested_window(
    connection: Connection, settings: Settings, request: DriftReportRequest
) -> Window:
    """Return the requested window, by default that of the settings: by count or by time."""
    model = reported_model(connection, settings)
    last = request.last or (settings.drift_window_rows if request.since is None else 0)
    if last:
        return Window(model, min(last, settings.drift_max_rows), request.source, request.since)
    since = request.since or now(connection) - timedelta(seconds=settings.drift_window_s)
    return Window(model, settings.drift_max_rows, request.source, since)


def reported_model(connection: Connection, settings: Settings) -> str:
    """Return the live version; before the first deployment, the version of the settings."""
    live = deployments.live_model(connection)
    if live is not None:
        return live
    try:
        return model_name(resolve(settings.models_dir, settings.model))
    except ScoringError:
        # The report fails later and states why.
        return settings.model


def reported_sources(
    connection: Connection, window: Window, settings: Settings, request: DriftReportRequest
) -> list[str | None]:
    """Return the sources to report on, None for all sources together.

    A single source is the same as all sources, and has no report of its own.
    """
    if not request.by_source:
        return [request.source]
    sources = drift.sources(
        connection,
        window,
        min_rows=settings.drift_min_rows,
        max_sources=min(settings.max_sources, MAX_SOURCES),
    )
    return [None, *(sources if len(sources) > 1 else [])]


def make_report(
    engine: Engine, settings: Settings, request: DriftReportRequest, window: Window, alpha: float
) -> int:
    """Compare one window with its reference and write the report; return its id."""
    started = perf_counter()
    data, assessment = assess_window(engine, settings, request, window, alpha)
    made_at = database_time(engine)
    page = export_page(assessment, settings, made_at)
    rows, reference = data.rows, data.reference
    report = NewDriftReport(
        model=window.model,
        source=window.source,
        verdict=str(assessment.verdict),
        summary=assessment.summary,
        window_from=rows[0].scored_at if rows else None,
        window_to=rows[-1].scored_at if rows else None,
        window_rows=len(rows),
        reference=str(reference.kind),
        reference_from=reference.since,
        reference_to=reference.until,
        reference_rows=reference.rows,
        alpha=alpha,
        html_path=str(page) if page else None,
        task_id=request.task_id,
        took_ms=1000.0 * (perf_counter() - started),
    )
    with translate_errors(engine), engine.begin() as connection:
        report_id = drift.add_report(connection, report, assessment.values)
    log.info("drift report %d of %s: %s", report_id, report.model, report.summary)
    export_run(assessment, report_id, report, made_at, settings)
    return report_id


def assess_window(
    engine: Engine, settings: Settings, request: DriftReportRequest, window: Window, alpha: float
) -> tuple[AssessmentInput, Assessment]:
    """Read a window and its reference, and assess it. A ScoringError becomes the verdict FAILED."""
    kind = request.reference or ReferenceKind(settings.drift_reference)
    data = AssessmentInput((), empty_reference(kind))
    try:
        folder = resolve(settings.models_dir, window.model)
        with translate_errors(engine), engine.connect() as connection:
            trust = registered_trust(connection, settings, window.model)
            artifact = Artifact.load(folder, trust)
            data = read_input(connection, artifact, settings, request, window, kind)
        return data, assess(data, alpha, settings.drift_min_rows)
    except ScoringError as error:
        log.error("the drift report of %s failed: %s", window.model, error)
        return data, Assessment(DriftVerdict.FAILED, str(error).rstrip("."))


def read_input(
    connection: Connection,
    artifact: Artifact,
    settings: Settings,
    request: DriftReportRequest,
    window: Window,
    kind: ReferenceKind,
) -> AssessmentInput:
    rows = drift.observations(connection, window)
    if kind is ReferenceKind.PROFILE:
        return AssessmentInput(rows, profile_reference(artifact))
    if not rows:
        return AssessmentInput(rows, empty_reference(kind))
    with_texts = settings.drift_text if request.text is None else request.text
    earlier = earlier_window(window, rows, request, settings)
    reference = window_reference(connection, earlier, with_texts)
    texts = drift.texts(connection, window) if with_texts else ()
    return AssessmentInput(rows, reference, texts)


def database_time(engine: Engine) -> datetime:
    """Return PostgreSQL's time, which also orders the files of a report: pages and runs."""
    with translate_errors(engine), engine.connect() as connection:
        return now(connection)


def export_page(assessment: Assessment, settings: Settings, made_at: datetime) -> Path | None:
    if assessment.page is None:
        return None
    return write_page(
        settings.reports_dir, assessment.page, made_at.astimezone(UTC), settings.drift_pages
    )


def export_run(
    assessment: Assessment,
    report_id: int,
    report: NewDriftReport,
    made_at: datetime,
    settings: Settings,
) -> None:
    """Add the report to Evidently's workspace, in the project of the model's name."""
    folder = settings.workspace_dir
    if assessment.snapshot is None or folder is None:
        return
    from monitoring.drift.workspace import WorkspaceRun, add_run

    run = WorkspaceRun(
        report_id, report.model, report.source, report.verdict, report.summary, made_at
    )
    project = report.model.partition("/")[0]
    add_run(folder, project, assessment.snapshot, run, settings.drift_pages)
