"""The HTML page of a drift report, drawn by Evidently. The database has the values without it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from uuid import uuid4

from plumbline.atomic_file import replacing
from plumbline.private_files import create_folder

log = logging.getLogger(__name__)
NAMED = "drift-{time:%Y%m%dT%H%M%SZ}"
# Two report workers write pages with slightly different times, in any order. A page that claims to
# be so much newer than the newest was named by a clock that was wrong.
LARGEST_DISORDER = timedelta(hours=1)


def write_page(
    folder: Path, html: Callable[[], str], now: datetime, keep: int | None = None
) -> Path | None:
    """Write the page under a unique name; return None, and log why, if it cannot be written.

    The folder keeps the newest `keep` pages including this one; None keeps all.
    """
    path = folder.absolute() / f"{NAMED.format(time=now)}-{uuid4().hex[:6]}.html"
    try:
        create_folder(folder)
        with replacing(path) as partial:
            partial.write_text(html(), encoding="utf-8")
    except OSError as error:
        log.error("the report has no HTML page, because %s cannot be written: %s", path, error)
        return None
    if keep is not None:
        delete_old_pages(path, now, keep)
    return path


def delete_old_pages(newest: Path, now: datetime, keep: int) -> None:
    """Delete the oldest pages next to `newest` until `keep` remain. Their reports stay.

    Pages from the future go first: if they stayed, every later page would be deleted instead.
    """
    # Names start with the time. Two report workers may delete at once.
    future = NAMED.format(time=now + LARGEST_DISORDER) + "~"
    others = sorted(
        (path for path in newest.parent.glob("drift-*.html") if path != newest),
        key=lambda path: (path.name < future, path.name),
    )
    try:
        for path in others[: max(len(others) - keep + 1, 0)]:
            path.unlink(missing_ok=True)
    except OSError as error:
        log.warning("old pages of drift reports in %s cannot be deleted: %s", newest.parent, error)
