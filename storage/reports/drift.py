"""Drift reports, written whole and read back, and the predictions that they compare."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, TextClause, desc, func, insert, select, text
from sqlalchemy.orm import Session

from storage.tables import DriftReport, DriftValue

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

WINDOW = "SELECT scored_at, probability, confidence, decision, features {newest}"

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
    return [Observation(*row) for row in reversed(rows)]


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
    statement = insert(DriftReport).values(asdict(report)).returning(DriftReport.id)
    report_id = connection.execute(statement).scalar_one()
    if values:
        connection.execute(
            insert(DriftValue), [{"report_id": report_id, **asdict(value)} for value in values]
        )
    return report_id


def find_reports(
    connection: Connection,
    *,
    source: str | None = None,
    verdict: str | None = None,
    with_page: bool = False,
    limit: int = 20,
) -> list[DriftReport]:
    """Return the newest reports first; None sets no condition.

    `with_page` selects the reports that were written with an HTML page.
    """
    statement = select(DriftReport).order_by(desc(DriftReport.id)).limit(limit)
    if source is not None:
        statement = statement.where(DriftReport.source == source)
    if verdict is not None:
        statement = statement.where(DriftReport.verdict == verdict)
    if with_page:
        statement = statement.where(DriftReport.html_path.is_not(None))
    with Session(connection) as session:
        return list(session.scalars(statement))


def find_report(
    connection: Connection, report_id: int
) -> tuple[DriftReport, list[DriftValue]] | None:
    """Return a report and its values, the drifted and highest first; None if there is none."""
    with Session(connection) as session:
        report = session.get(DriftReport, report_id)
        if report is None:
            return None
        # Drift scores of different methods have different units; ratios to the threshold do not.
        ratio = DriftValue.value / func.nullif(DriftValue.threshold, 0)
        values = session.scalars(
            select(DriftValue)
            .where(DriftValue.report_id == report_id)
            .order_by(desc(DriftValue.drifted), desc(ratio), DriftValue.feature)
        )
        return report, list(values)


def report_id_of_task(connection: Connection, task_id: str) -> int | None:
    """Return the id of the newest report that a Celery task made; None while there is none."""
    statement = select(DriftReport.id).where(DriftReport.task_id == task_id)
    return connection.execute(
        statement.order_by(desc(DriftReport.id)).limit(1)
    ).scalar_one_or_none()
