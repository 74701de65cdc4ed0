"""One process a folder. The system drops the lock when its holder ends, however it ends."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from plumbline.embedded.errors import FolderBusy

# Somebody who only asks (`is_held`) holds the lock for an instant, so one refusal proves nothing.
PATIENCE_S = 1.0
POLL_S = 0.05


@contextmanager
def held(path: Path, busy: str) -> Iterator[None]:
    """Hold the lock file at `path`; raise FolderBusy saying `busy` where another process does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if not _take(handle, PATIENCE_S):
            raise FolderBusy(busy)
        yield
    finally:
        os.close(handle)


def is_held(path: Path) -> bool:
    """Whether a living process holds the lock file at `path`."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        return not _try(handle, fcntl.LOCK_SH)
    finally:
        os.close(handle)


def _take(handle: int, patience_s: float) -> bool:
    deadline = time.monotonic() + patience_s
    while not _try(handle, fcntl.LOCK_EX):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True


def _try(handle: int, kind: int) -> bool:
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
