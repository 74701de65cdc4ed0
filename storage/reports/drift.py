"""Drift: the predictions a report looks at, and the reports, written whole and read back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, desc, func, insert, select, text
from sqlalchemy.orm import Session

from storage.tables import DriftReport, DriftValue

# Of several at the same instant the same ones are taken each time.
_NEWEST = """
FROM plumbline.predictions
WHERE role = 'live' AND model = :model
  AND (CAST(:since AS timestamptz) IS NULL OR scored_at >= :since)
  AND (CAST(:until AS timestamptz) IS NULL OR scored_at < :until)
  AND (CAST(:source AS text) IS NULL
       OR EXISTS (SELECT FROM plumbline.jobs WHERE id = job_id AND source = :source))
ORDER BY scored_at DESC, job_id
LIMIT :limit
"""

WINDOW = text(f"SELECT scored_at, probability, confidence, decision, features {_NEWEST}")

TEXTS = text(f"""
SELECT jobs.text FROM (SELECT job_id, scored_at {_NEWEST}) AS newest
JOIN plumbline.jobs AS jobs ON jobs.id = newest.job_id
WHERE jobs.text IS NOT NULL
ORDER BY newest.scored_at, jobs.id
""")

SOURCES = text(f"""
SELECT jobs.source FROM (SELECT job_id {_NEWEST}) AS newest
JOIN plumbline.jobs AS jobs ON jobs.id = newest.job_id
GROUP BY jobs.source HAVING count(*) >= :least
ORDER BY count(*) DESC, jobs.source
LIMIT :most
""")


@dataclass(frozen=True, slots=True)
class Window:
    """The newest `limit` live predictions of `model` since `since` and before `until`.

    Those of `source`, or of all where it is None; None is no bound.
    """

    model: str
    limit: int
    source: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Observed:
    """What drift is judged on, of one live prediction; it holds no text."""

    scored_at: datetime
    probability: float
    confidence: float
    decision: str
    features: dict[str, float]


@dataclass(frozen=True, slots=True)
class NewReport:
    """A report ready to be written. Fields as in `storage.tables.DriftReport`."""

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


@dataclass(frozen=True, slots=True)
class NewValue:
    """What a report says of one feature. Fields as in `storage.tables.DriftValue`."""

    feature: str
    method: str
    value: float
    threshold: float
    drifted: bool
    histogram: dict[str, Any]


def observed(connection: Connection, window: Window) -> list[Observed]:
    """The window's predictions, oldest first."""
    rows = connection.execute(WINDOW, asdict(window)).all()
    return [Observed(*row) for row in reversed(rows)]


def texts(connection: Connection, window: Window) -> list[str]:
    """The window's texts, those that are still kept, oldest first."""
    return list(connection.execute(TEXTS, asdict(window)).scalars())


def sources(connection: Connection, window: Window, least: int, most: int) -> list[str]:
    """The sources with at least `least` predictions in the window, at most `most` of them."""
    found = connection.execute(SOURCES, asdict(window) | {"least": least, "most": most})
    return list(found.scalars())


def add(connection: Connection, report: NewReport, values: Sequence[NewValue]) -> int:
    """Write a report with all its values, in the caller's transaction; return its id."""
    row = insert(DriftReport).values(asdict(report)).returning(DriftReport.id)
    report_id = connection.execute(row).scalar_one()
    if values:
        connection.execute(
            insert(DriftValue), [{"report_id": report_id, **asdict(value)} for value in values]
        )
    return report_id


def reports(connection: Connection, limit: int = 20) -> list[DriftReport]:
    """The newest reports first."""
    with Session(connection) as session:
        found = session.scalars(select(DriftReport).order_by(desc(DriftReport.id)).limit(limit))
        return list(found)


def report(connection: Connection, report_id: int) -> tuple[DriftReport, list[DriftValue]] | None:
    """One report with its values, the drifted and strongest first; None if there is none."""
    with Session(connection) as session:
        found = session.get(DriftReport, report_id)
        if found is None:
            return None
        # Methods differ in their units.
        strength = DriftValue.value / func.nullif(DriftValue.threshold, 0)
        values = session.scalars(
            select(DriftValue)
            .where(DriftValue.report_id == report_id)
            .order_by(desc(DriftValue.drifted), desc(strength), DriftValue.feature)
        )
        return found, list(values)


def report_of_task(connection: Connection, task_id: str) -> int | None:
    """The id of the report a Celery task made; None while there is none."""
    made = select(DriftReport.id).where(DriftReport.task_id == task_id)
    return connection.execute(made.order_by(desc(DriftReport.id)).limit(1)).scalar_one_or_none()
