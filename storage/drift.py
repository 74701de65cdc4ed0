"""Drift: the predictions a report looks at, and the reports, written whole and read back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, desc, insert, select, text
from sqlalchemy.orm import Session

from storage.tables import DriftReport, DriftValue

# Of several at the same instant the same ones are taken each time.
WINDOW = text("""
SELECT scored_at, probability, confidence, decision, features
FROM plumbline.predictions
WHERE role = 'live' AND model = :model
  AND scored_at >= coalesce(CAST(:since AS timestamptz), now() - make_interval(secs => :window_s))
  AND (CAST(:source AS text) IS NULL
       OR EXISTS (SELECT FROM plumbline.jobs WHERE id = job_id AND source = :source))
ORDER BY scored_at DESC, job_id
LIMIT :limit
""")


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
    reference_rows: int
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


def window(
    connection: Connection,
    model: str,
    *,
    source: str | None,
    since: datetime | None,
    window_s: float,
    limit: int,
) -> list[Observed]:
    """The newest `limit` live predictions of `model`, oldest first.

    Those since `since`, or of the last `window_s` seconds; of `source`, or of all where it is None.
    """
    rows = connection.execute(
        WINDOW,
        {"model": model, "source": source, "since": since, "window_s": window_s, "limit": limit},
    ).all()
    return [Observed(*row) for row in reversed(rows)]


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
        values = session.scalars(
            select(DriftValue)
            .where(DriftValue.report_id == report_id)
            .order_by(desc(DriftValue.drifted), DriftValue.value, DriftValue.feature)
        )
        return found, list(values)


def report_of_task(connection: Connection, task_id: str) -> int | None:
    """The id of the report a Celery task made; None while there is none."""
    made = select(DriftReport.id).where(DriftReport.task_id == task_id)
    return connection.execute(made.order_by(desc(DriftReport.id)).limit(1)).scalar_one_or_none()
