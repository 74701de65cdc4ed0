"""A row of the database as JSON shows it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row


def row_values(row: Row[Any]) -> dict[str, Any]:
    """Return the row's columns by name, bytes as hexadecimal."""
    return {k: v.hex() if isinstance(v, bytes) else v for k, v in row._mapping.items()}
