"""A row of the database as JSON shows it."""

from __future__ import annotations

from typing import Any

from storage.tables import Base


def row_values(row: Base) -> dict[str, Any]:
    """Return the row's columns by name, bytes as hexadecimal."""
    values = {column.key: getattr(row, column.key) for column in row.__table__.columns}
    return {k: v.hex() if isinstance(v, bytes) else v for k, v in values.items()}
