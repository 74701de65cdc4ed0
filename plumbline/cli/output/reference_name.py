"""The name of a report's reference in tables and pictures: a noun that follows a number."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row

from storage.states import ReferenceKind


def reference_name(report: Row[Any]) -> str:
    """Return "validation texts" and the version, or which traffic the texts are from."""
    if report.reference == ReferenceKind.PROFILE:
        return f"validation texts of {report.model}"
    if report.reference == ReferenceKind.ACCEPTED:
        return "texts that were accepted as normal"
    return "texts from an earlier window"
