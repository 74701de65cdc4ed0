"""Evidently's page of a report, for people; the numbers are in the database with or without it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from uuid import uuid4

log = logging.getLogger(__name__)


def export(
    folder: Path, html: Callable[[], str], now: datetime, keep: int | None = None
) -> Path | None:
    """Write the page under a name of its own, whole or not at all; None where it cannot be.

    Of all pages in the folder the newest `keep` stay, this one among them; None: all.
    """
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
    if keep is not None:
        prune(path, keep)
    return path


def prune(newest: Path, keep: int) -> None:
    """Delete the oldest pages beside the newest until `keep` are left; their rows stay."""
    # By name, which starts with the time; two report workers may be at it at once.
    others = sorted(path for path in newest.parent.glob("drift-*.html") if path != newest)
    try:
        for path in others[: max(len(others) - keep + 1, 0)]:
            path.unlink(missing_ok=True)
    except OSError as error:
        log.warning("old pages of drift reports stay in %s: %s", newest.parent, error)
