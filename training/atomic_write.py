"""Files and folders that appear complete or not at all.

Each is written under a hidden name beside its target, synced to disk and renamed. A killed process
leaves only the hidden file or folder, which nothing reads.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

PARTIAL = "partial"
# For targets that several processes may write at the same time.
PARTIAL_OF_PROCESS = f"{os.getpid()}.{PARTIAL}"


@contextmanager
def atomic_file(path: Path, suffix: str = PARTIAL) -> Iterator[BinaryIO]:
    """Open a file that replaces `path` if the block succeeds and is removed if it raises."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = _partial(path, suffix)
    try:
        with partial.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        # An error of writing, such as a full disk, does not name the file.
        if error.filename is None:
            error.filename = str(path)
        raise
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path, suffix: str = PARTIAL) -> Iterator[Path]:
    """Create a folder that becomes `path` if the block succeeds and is removed if it raises."""
    partial = _partial(path, suffix)
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        yield partial
        _sync_tree(partial)
        partial.rename(path)
        _sync_folder(path.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _partial(path: Path, suffix: str) -> Path:
    return path.with_name(f".{path.name}.{suffix}")


def _sync_tree(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        else:
            _sync_folder(path)
    _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
