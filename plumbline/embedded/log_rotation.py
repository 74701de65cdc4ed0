"""Logs that do not grow for ever: a start of `plumbline up` sets those of the last run aside."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

FOLDERS = ("logs", "postgres", "redis")


def rotate(state_dir: Path) -> None:
    """Rename every log to NAME.log.1, over the one before it."""
    for folder in FOLDERS:
        for log in (state_dir / folder).glob("*.log"):
            # One that cannot be renamed goes on as it is, and so does the start.
            with suppress(OSError):
                log.replace(log.with_name(log.name + ".1"))
