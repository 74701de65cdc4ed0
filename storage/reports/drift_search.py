"""Which drift reports there are: the newest of those that are asked for."""

from __future__ import annotations

from sqlalchemy import Connection, desc, select
from sqlalchemy.orm import Session

from storage.tables import DriftReport


def find(
    connection: Connection,
    *,
    source: str | None = None,
    verdict: str | None = None,
    with_page: bool = False,
    limit: int = 20,
) -> list[DriftReport]:
    """The newest reports first; None is no condition. `with_page`: those that had an HTML page."""
    wanted = select(DriftReport).order_by(desc(DriftReport.id)).limit(limit)
    if source is not None:
        wanted = wanted.where(DriftReport.source == source)
    if verdict is not None:
        wanted = wanted.where(DriftReport.verdict == verdict)
    if with_page:
        wanted = wanted.where(DriftReport.html_path.is_not(None))
    with Session(connection) as session:
        return list(session.scalars(wanted))
