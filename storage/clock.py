"""PostgreSQL's clock, by which every row is dated, whatever this machine's says."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, func, select


def now(connection: Connection) -> datetime:
    """When the transaction began, in UTC."""
    return connection.execute(select(func.now())).scalar_one()
