"""Drift reports: what the live model saw lately, against what it was measured on.

Every report asked for leaves a row in the database, also where there was too little to judge or
where it could not be made.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter

from sqlalchemy import Connection, Engine

from monitoring.drift.html_page import export
from monitoring.drift.judgement import Judgement, Sides, judge
from monitoring.drift.reference import earlier, earlier_window, from_profile, nothing
from monitoring.drift.request import ReferenceKind, ReportRequest
from monitoring.drift.verdict import Verdict
from plumbline.settings import Settings
from scoring.artifact.artifact import Artifact
from scoring.artifact.registry import resolve
from scoring.errors import ScoringError
from storage import clock
from storage.database import clear_errors
from storage.reports import drift
from storage.reports.drift import NewReport, Window
from storage.serving import deployments

log = logging.getLogger(__name__)
# Sources that get a report of their own, those with the most texts.
MOST_SOURCES = 20


def make_reports(engine: Engine, settings: Settings, request: ReportRequest) -> list[int]:
    """Make the reports asked for; return their ids, that of all sources first.

    Together they raise a false alarm at the rate `drift_alpha`, so each of them at its part of it.
    Raises StorageError with one sentence.
    """
    with clear_errors(engine), engine.connect() as connection:
        window = newest(connection, settings, request)
        sources = wanted_sources(connection, window, settings, request)
    alpha = settings.drift_alpha / len(sources)
    return [
        make_report(engine, settings, request, replace(window, source=source), alpha)
        for source in sources
    ]


def newest(connection: Connection, settings: Settings, request: ReportRequest) -> Window:
    """The window asked for: by count, since a time, or as set."""
    model = serving_version(connection, settings)
    last = request.last or (settings.drift_window_rows if request.since is None else 0)
    if last:
        return Window(model, min(last, settings.drift_max_rows), request.source, request.since)
    ago = timedelta(seconds=settings.drift_window_s)
    since = request.since or clock.now(connection) - ago
    return Window(model, settings.drift_max_rows, request.source, since)


def serving_version(connection: Connection, settings: Settings) -> str:
    """The live version; before there is one, the version the setting's name stands for."""
    live = deployments.live_model(connection)
    if live is not None:
        return live
    try:
        folder = resolve(settings.models_dir, settings.model)
    except ScoringError:
        # The report will say so.
        return settings.model
    return f"{folder.parent.name}/{folder.name}"


def wanted_sources(
    connection: Connection, window: Window, settings: Settings, request: ReportRequest
) -> list[str | None]:
    """Whom there is a report of; None is all. One source alone is all, and needs no second."""
    if not request.by_source:
        return [request.source]
    found = drift.sources(connection, window, settings.drift_min_rows, MOST_SOURCES)
    return [None, *(found if len(found) > 1 else [])]


def make_report(
    engine: Engine, settings: Settings, request: ReportRequest, window: Window, alpha: float
) -> int:
    """Compare one window with its reference and write what came out; return the report's id."""
    started = perf_counter()
    kind = request.reference or ReferenceKind(settings.drift_reference)
    sides = Sides((), nothing(kind))
    try:
        artifact = Artifact.load(resolve(settings.models_dir, window.model))
        with clear_errors(engine), engine.connect() as connection:
            sides = read_sides(connection, artifact, settings, request, window, kind)
        judgement = judge(sides, alpha, settings.drift_min_rows)
    except ScoringError as error:
        log.error("there is no drift report of %s: %s", window.model, error)
        judgement = Judgement(Verdict.FAILED, str(error).rstrip("."))
    page = write_page(judgement, settings)
    rows, reference = sides.rows, sides.reference
    report = NewReport(
        model=window.model,
        source=window.source,
        verdict=str(judgement.verdict),
        summary=judgement.summary,
        window_from=rows[0].scored_at if rows else None,
        window_to=rows[-1].scored_at if rows else None,
        window_rows=len(rows),
        reference=str(kind),
        reference_from=reference.since,
        reference_to=reference.until,
        reference_rows=reference.rows,
        alpha=alpha,
        html_path=str(page) if page else None,
        task_id=request.task_id,
        took_ms=1000.0 * (perf_counter() - started),
    )
    with clear_errors(engine), engine.begin() as connection:
        report_id = drift.add(connection, report, judgement.values)
    log.info("drift report %d of %s: %s", report_id, report.model, report.summary)
    put_into_workspace(judgement, report_id, report, settings)
    return report_id


def write_page(judgement: Judgement, settings: Settings) -> Path | None:
    if judgement.page is None:
        return None
    return export(settings.reports_dir, judgement.page, datetime.now(UTC), settings.drift_pages)


def put_into_workspace(
    judgement: Judgement, report_id: int, report: NewReport, settings: Settings
) -> None:
    """Let Evidently's UI show it, in a project for each model's name."""
    folder = settings.workspace_dir
    if judgement.snapshot is None or folder is None:
        return
    from monitoring.drift.workspace import Entry, add

    entry = Entry(report_id, report.model, report.source, report.verdict, report.summary)
    project = report.model.partition("/")[0]
    add(folder, project, judgement.snapshot, entry, settings.drift_pages)


def read_sides(
    connection: Connection,
    artifact: Artifact,
    settings: Settings,
    request: ReportRequest,
    window: Window,
    kind: ReferenceKind,
) -> Sides:
    rows = drift.observed(connection, window)
    if kind is ReferenceKind.PROFILE:
        return Sides(rows, from_profile(artifact))
    if not rows:
        return Sides(rows, nothing(kind))
    with_texts = settings.drift_text if request.text is None else request.text
    before = earlier_window(window, rows, request, settings)
    reference = earlier(connection, before, with_texts)
    return Sides(rows, reference, drift.texts(connection, window) if with_texts else ())
