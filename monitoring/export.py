"""Evidently's page of a report, for people; the numbers are in the database with or without it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from uuid import uuid4

log = logging.getLogger(__name__)


def export(folder: Path, html: Callable[[], str], now: datetime) -> Path | None:
    """Write the page under a name of its own, whole or not at all; None where it cannot be."""
    path = folder.absolute() / f"drift-{now:%Y%m%dT%H%M%SZ}-{uuid4().hex[:6]}.html"
    partial = path.with_suffix(".partial")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            partial.write_text(html(), encoding="utf-8")
            partial.rename(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        log.error("the report has no HTML page, since %s cannot be written: %s", path, error)
        return None
    return path
