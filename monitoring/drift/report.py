"""Drift reports on the recent predictions of the live model.

Every requested report becomes a row in the database, even if there is too little data or the
comparison fails.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from time import perf_counter

from sqlalchemy import Connection, Engine

from monitoring.drift.assessment import Assessment, AssessmentInput, assess, profile_verdict
from monitoring.drift.export import export_page, export_run, recorded_values, report_content
from monitoring.drift.reference import (
    Reference,
    accepted_reference,
    earlier_window,
    empty_reference,
    profile_reference,
    window_reference,
)
from monitoring.drift.request import DriftReportRequest
from plumbline.errors import ReferenceMissing
from plumbline.registered_trust import registered_trust
from plumbline.settings import Settings
from scoring.artifact.artifact import Artifact
from scoring.artifact.registry import model_name, resolve
from scoring.errors import ScoringError
from storage.database import now, translate_errors
from storage.reports import accepted_references, drift
from storage.reports.accuracy import newest_accuracy
from storage.reports.drift import NewDriftReport, Observation, Window
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
    assessed = assess_window(engine, settings, request, window, alpha)
    data, assessment = assessed.data, assessed.assessment
    made_at = database_time(engine)
    content = report_content(window, data, assessment)
    page = export_page(content, settings, made_at)
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
        accepted_id=reference.accepted_id,
        profile_verdict=assessed.profile_verdict,
        scheduled=request.by_source,
        chosen_window=request.since is not None or request.last is not None,
        chosen_reference=assessed.chosen_reference,
    )
    with translate_errors(engine), engine.begin() as connection:
        report_id = drift.add_report(connection, report, assessment.values)
        # Once the report is there, because the estimate is withheld if its verdict is drift.
        accuracy = newest_accuracy(connection, window.model, window.source)
    log.info("drift report %d of %s: %s", report_id, report.model, report.summary)
    values = recorded_values(assessment, accuracy, settings)
    export_run(content, report_id, report, values, made_at, settings)
    return report_id


@dataclass(frozen=True, slots=True)
class AssessedWindow:
    """A window with its reference, and the results.

    `chosen_reference` is whether the reference is not the one that is in force without a request.
    """

    data: AssessmentInput
    assessment: Assessment
    profile_verdict: DriftVerdict | None = None
    chosen_reference: bool = False


def assess_window(
    engine: Engine, settings: Settings, request: DriftReportRequest, window: Window, alpha: float
) -> AssessedWindow:
    """Read a window and its reference, and assess it, also against the profile.

    A ScoringError becomes the verdict FAILED.
    """
    requested = request.reference or ReferenceKind(settings.drift_reference)
    data = AssessmentInput((), empty_reference(requested))
    try:
        folder = resolve(settings.models_dir, window.model)
        with translate_errors(engine), engine.connect() as connection:
            trust = registered_trust(connection, settings, window.model)
            artifact = Artifact.load(folder, trust)
            accepted = find_accepted_reference(connection, settings, window)
            in_force = accepted.kind if accepted else ReferenceKind(settings.drift_reference)
            requested = request.reference or in_force
            rows = drift.observations(connection, window)
            if requested is ReferenceKind.ACCEPTED:
                data = AssessmentInput(rows, require_accepted(accepted, window))
            elif requested is ReferenceKind.PROFILE:
                data = AssessmentInput(rows, profile_reference(artifact))
            else:
                data = earlier_input(connection, settings, request, window, rows)
        assessment = assess(data, alpha, settings.drift_min_rows)
    except (ScoringError, ReferenceMissing) as error:
        log.error("the drift report of %s failed: %s", window.model, error)
        failed = Assessment(DriftVerdict.FAILED, str(error).rstrip("."))
        return AssessedWindow(data, failed, chosen_reference=request.reference is not None)
    period = request.reference_since or request.reference_until
    return AssessedWindow(
        data,
        assessment,
        assess_profile(artifact, data, assessment, alpha, settings),
        chosen_reference=requested is not in_force or period is not None,
    )


def assess_profile(
    artifact: Artifact,
    data: AssessmentInput,
    assessment: Assessment,
    alpha: float,
    settings: Settings,
) -> DriftVerdict | None:
    """Return the verdict against the profile; None if there is none.

    Estimated metrics are calibrated on the profile's texts. They are not trustworthy for texts of
    another kind, even if somebody has accepted these as normal.
    """
    if data.reference.kind is ReferenceKind.PROFILE:
        compared = assessment.verdict in (DriftVerdict.STABLE, DriftVerdict.DRIFT)
        return assessment.verdict if compared else None
    try:
        profile = profile_reference(artifact)
    except ScoringError as error:
        log.warning("the window is not compared with the profile: %s", error)
        return None
    return profile_verdict(data.rows, profile, alpha, settings.drift_min_rows)


def require_accepted(accepted: Reference | None, window: Window) -> Reference:
    if accepted is None:
        raise ReferenceMissing(
            f"No traffic of {window.model} is accepted as a reference; `plumbline drift accept` "
            "accepts some."
        )
    return accepted


def earlier_input(
    connection: Connection,
    settings: Settings,
    request: DriftReportRequest,
    window: Window,
    rows: Sequence[Observation],
) -> AssessmentInput:
    """Return the window's predictions with those of an earlier window as the reference."""
    if not rows:
        return AssessmentInput(rows, empty_reference(ReferenceKind.WINDOW))
    with_texts = settings.drift_text if request.text is None else request.text
    earlier = earlier_window(window, rows, request, settings)
    reference = window_reference(connection, earlier, with_texts)
    texts = drift.texts(connection, window) if with_texts else ()
    return AssessmentInput(rows, reference, texts)


def find_accepted_reference(
    connection: Connection, settings: Settings, window: Window
) -> Reference | None:
    """Return the accepted reference of a window; None if none is in force."""
    accepted = accepted_references.in_force(
        connection, window.model, window.source, settings.drift_min_rows
    )
    return None if accepted is None else accepted_reference(*accepted)


def database_time(engine: Engine) -> datetime:
    """Return PostgreSQL's time, which also orders the files of a report: pages and runs."""
    with translate_errors(engine), engine.connect() as connection:
        return now(connection)
