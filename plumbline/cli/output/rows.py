"""A row of the database as JSON shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Row

# Most commands read rows, and do without the classes of the tables.
if TYPE_CHECKING:
    from storage.tables import Base


def row_values(row: Row[Any] | Base) -> dict[str, Any]:
    """Return the row's columns by name, bytes as hexadecimal."""
    if isinstance(row, Row):
        values = dict(row._mapping)
    else:
        values = {column.key: getattr(row, column.key) for column in row.__table__.columns}
    return {k: v.hex() if isinstance(v, bytes) else v for k, v in values.items()}
