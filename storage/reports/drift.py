"""Drift reports, written whole and read back, and the predictions that they compare."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, TextClause, text

# The order by job_id makes the choice between predictions of the same instant repeatable. Rows are
# compared, and not columns, so that only the index of the versions has this order: along that of
# all predictions, those of later versions would be read first.
NEWEST_OF_ALL = """
FROM plumbline.predictions
WHERE (model, role, scored_at) >= (CAST(:model AS text), 'live',
                                   coalesce(CAST(:since AS timestamptz), '-infinity'))
  AND (model, role, scored_at) < (CAST(:model AS text), 'live',
                                  coalesce(CAST(:until AS timestamptz), 'infinity'))
ORDER BY model DESC, role DESC, scored_at DESC, job_id
LIMIT :limit
"""
# A job is scored when it is finished, and the time of its end has an index for each source.
NEWEST_OF_SOURCE = """
FROM plumbline.jobs AS ended JOIN plumbline.predictions ON predictions.job_id = ended.id
WHERE role = 'live' AND model = :model AND ended.state = 'scored' AND ended.source = :source
  AND (CAST(:since AS timestamptz) IS NULL OR ended.finished_at >= :since)
  AND (CAST(:until AS timestamptz) IS NULL OR ended.finished_at < :until)
ORDER BY ended.finished_at DESC, ended.id
LIMIT :limit
"""

WINDOW = """
SELECT scored_at, probability, confidence, decision, CAST(features AS text) AS features {newest}
"""

TEXTS = """
SELECT jobs.text FROM (SELECT job_id, scored_at {newest}) AS newest
JOIN plumbline.jobs AS jobs ON jobs.id = newest.job_id
WHERE jobs.text IS NOT NULL
ORDER BY newest.scored_at, jobs.id
"""

SOURCES = """
SELECT jobs.source FROM (SELECT job_id {newest}) AS newest
JOIN plumbline.jobs AS jobs ON jobs.id = newest.job_id
GROUP BY jobs.source HAVING count(*) >= :min_rows
ORDER BY count(*) DESC, jobs.source
LIMIT :max_sources
"""

ADD_REPORT = text("""
INSERT INTO plumbline.drift_reports (
    model, source, verdict, summary, window_from, window_to, window_rows, reference, reference_from,
    reference_to, reference_rows, alpha, html_path, task_id, took_ms, accepted_id, profile_verdict,
    scheduled, chosen_window, chosen_reference
) VALUES (
    :model, :source, :verdict, :summary, :window_from, :window_to, :window_rows, :reference,
    :reference_from, :reference_to, :reference_rows, :alpha, :html_path, :task_id, :took_ms,
    :accepted_id, :profile_verdict, :scheduled, :chosen_window, :chosen_reference
) RETURNING id
""")
ADD_VALUE = text("""
INSERT INTO plumbline.drift_values
    (report_id, feature, method, value, threshold, drifted, histogram)
VALUES (:report_id, :feature, :method, :value, :threshold, :drifted, CAST(:histogram AS jsonb))
""")

FIND_REPORTS = text("""
SELECT * FROM plumbline.drift_reports
WHERE (CAST(:source AS text) IS NULL OR source = :source)
  AND (CAST(:verdict AS text) IS NULL OR verdict = :verdict)
  AND (NOT CAST(:with_page AS bool) OR html_path IS NOT NULL)
ORDER BY id DESC LIMIT :limit
""")
REPORT = text("SELECT * FROM plumbline.drift_reports WHERE id = :id")
# Drift scores of different methods have different units; ratios to the threshold do not.
VALUES = text("""
SELECT * FROM plumbline.drift_values WHERE report_id = :id
ORDER BY drifted DESC, value / nullif(threshold, 0) DESC, feature
""")
REPORT_OF_TASK = text("""
SELECT id FROM plumbline.drift_reports WHERE task_id = :task_id ORDER BY id DESC LIMIT 1
""")


@dataclass(frozen=True, slots=True)
class Window:
    """The newest `limit` live predictions of `model`, at or after `since` and before `until`.

    A `source` of None is all sources; a bound of None is no bound.
    """

    model: str
    limit: int
    source: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Observation:
    """The part of one live prediction that drift is computed from. It contains no text."""

    scored_at: datetime
    probability: float
    confidence: float
    decision: str
    features: dict[str, float]


@dataclass(frozen=True, slots=True)
class NewDriftReport:
    """A report ready to be written. The fields are those of `storage.tables.DriftReport`."""

    model: str
    source: str | None
    verdict: str
    summary: str
    window_from: datetime | None
    window_to: datetime | None
    window_rows: int
    reference: str
    reference_from: datetime | None
    reference_to: datetime | None
    reference_rows: int
    alpha: float
    html_path: str | None
    task_id: str | None
    took_ms: float
    accepted_id: int | None = None
    profile_verdict: str | None = None
    scheduled: bool = False
    chosen_window: bool = False
    chosen_reference: bool = False


@dataclass(frozen=True, slots=True)
class NewDriftValue:
    """One feature's drift score. The fields are those of `storage.tables.DriftValue`."""

    feature: str
    method: str
    value: float
    threshold: float
    drifted: bool
    histogram: dict[str, Any]


def observations(connection: Connection, window: Window) -> list[Observation]:
    """Return the window's predictions, oldest first."""
    rows = connection.execute(_of(window, WINDOW), asdict(window)).all()
    # One document for all rows takes half as long as one each.
    features = json.loads(f"[{','.join(row[-1] for row in rows)}]")
    observed = [
        Observation(row.scored_at, row.probability, row.confidence, row.decision, each)
        for row, each in zip(rows, features, strict=True)
    ]
    return observed[::-1]


def texts(connection: Connection, window: Window) -> list[str]:
    """Return the window's texts that are still stored, oldest first."""
    return list(connection.execute(_of(window, TEXTS), asdict(window)).scalars())


def sources(
    connection: Connection, window: Window, *, min_rows: int, max_sources: int
) -> list[str]:
    """Return the sources with at least `min_rows` predictions in the window, the largest first."""
    limits = {"min_rows": min_rows, "max_sources": max_sources}
    parameters = asdict(window) | limits
    return list(connection.execute(_of(window, SOURCES), parameters).scalars())


def _of(window: Window, statement: str) -> TextClause:
    newest = NEWEST_OF_ALL if window.source is None else NEWEST_OF_SOURCE
    return text(statement.format(newest=newest))


def add_report(
    connection: Connection, report: NewDriftReport, values: Sequence[NewDriftValue]
) -> int:
    """Write a report with all its values in the caller's transaction; return its id."""
    report_id: int = connection.execute(ADD_REPORT, asdict(report)).scalar_one()
    if values:
        connection.execute(
            ADD_VALUE,
            [
                asdict(value) | {"report_id": report_id, "histogram": json.dumps(value.histogram)}
                for value in values
            ],
        )
    return report_id


def find_reports(
    connection: Connection,
    *,
    source: str | None = None,
    verdict: str | None = None,
    with_page: bool = False,
    limit: int = 20,
) -> Sequence[Row[Any]]:
    """Return the newest reports first; None sets no condition.

    `with_page` selects the reports that were written with an HTML page. The columns are those of
    `storage.tables.DriftReport`.
    """
    conditions = {"source": source, "verdict": verdict, "with_page": with_page, "limit": limit}
    return connection.execute(FIND_REPORTS, conditions).all()


def find_report(
    connection: Connection, report_id: int
) -> tuple[Row[Any], Sequence[Row[Any]]] | None:
    """Return a report and its values, the drifted and highest first; None if there is none.

    The columns are those of `storage.tables.DriftReport` and `storage.tables.DriftValue`.
    """
    report = connection.execute(REPORT, {"id": report_id}).one_or_none()
    if report is None:
        return None
    return report, connection.execute(VALUES, {"id": report_id}).all()


def report_id_of_task(connection: Connection, task_id: str) -> int | None:
    """Return the id of the newest report that a Celery task made; None while there is none."""
    return connection.execute(REPORT_OF_TASK, {"task_id": task_id}).scalar_one_or_none()
