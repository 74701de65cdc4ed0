"""Files that nobody but the user who starts Plumbline may read: they hold texts or passwords.

Logs, reports, the state folder and whatever else a worker or a server writes are private by the
umask of the process, so that no writer can forget it. The modes of what exists already, and of
models, which others may have to read, are not changed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

UMASK = 0o077
FOLDER_MODE = 0o700
FILE_MODE = 0o600


@contextmanager
def private_umask() -> Iterator[None]:
    """Let whatever this process and its children create in the block be private."""
    previous = os.umask(UMASK)
    try:
        yield
    finally:
        os.umask(previous)


def create_folder(folder: Path) -> None:
    """Create the folder, and the missing ones above it, for this user alone. Raises OSError.

    The umask of a process is not for one of its threads to change.
    """
    missing = [folder]
    while not missing[-1].parent.exists():
        missing.append(missing[-1].parent)
    for each in reversed(missing):
        each.mkdir(FOLDER_MODE, exist_ok=True)


def tighten_folder(folder: Path) -> None:
    """Make a folder of Plumbline's own private, which an earlier release left readable."""
    status = folder.stat()
    if status.st_uid == os.geteuid() and status.st_mode & UMASK:
        folder.chmod(FOLDER_MODE)
