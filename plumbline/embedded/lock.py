"""A lock file that one process at a time holds. The system releases it when the process ends.

`plumbline_client.services.is_locked` checks whether it is held.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from plumbline.embedded.errors import FolderBusy
from plumbline.private_files import FILE_MODE, create_folder

# `is_locked` holds the lock for an instant, so one failed attempt does not prove that it is taken.
PATIENCE_S = 1.0
POLL_S = 0.05


@contextmanager
def exclusive_lock(path: Path, busy: str) -> Iterator[None]:
    """Hold the lock file at `path`. Raises FolderBusy(busy) if another process holds it."""
    create_folder(path.parent)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, FILE_MODE)
    try:
        _lock(descriptor, path, busy)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, path: Path, busy: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                raise FolderBusy(busy) from error
        except OSError as error:
            # Some network folders support no locks; the system's error does not name the file.
            error.filename = str(path)
            raise
        time.sleep(POLL_S)
