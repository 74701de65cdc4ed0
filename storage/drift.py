"""Drift reports as they are read back."""

from __future__ import annotations

from sqlalchemy import Connection, desc, select
from sqlalchemy.orm import Session

from storage.tables import DriftReport, DriftValue


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
