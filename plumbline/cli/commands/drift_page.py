"""Evidently's page of a drift report: where it is, and opening it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from plumbline.errors import ReportMissing

if TYPE_CHECKING:
    from storage.tables import DriftReport


def page(report: DriftReport) -> Path:
    """Where the report's HTML is; raises ReportMissing where there is none, saying why."""
    values = f"`plumbline drift show {report.id}` has its values"
    if report.html_path is None:
        raise ReportMissing(f"Report {report.id} has no page; {values}.")
    path = Path(report.html_path)
    if path.is_file():
        return path
    if path.parent.is_dir():
        raise ReportMissing(
            f"The page of report {report.id}, {path}, was removed, since only the newest "
            f"PLUMBLINE_DRIFT_PAGES are kept; {values}."
        )
    raise ReportMissing(
        f"The page of report {report.id} is not on this machine at {path}; {values}."
    )


def has_display() -> bool:
    return sys.platform == "darwin" or bool(
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY") or os.environ.get("BROWSER")
    )
