"""Rows as a query returns them, not stored, for tests of what is printed and decided."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row
from sqlalchemy.engine import IteratorResult
from sqlalchemy.engine.result import SimpleResultMetaData


def row(**values: Any) -> Row[Any]:
    return IteratorResult(SimpleResultMetaData(list(values)), iter([tuple(values.values())])).one()
