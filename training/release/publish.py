"""A version appears whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scoring.artifact import registry
from scoring.artifact.model_ref import ModelRef
from training.errors import TrainingError, VersionTaken


def check_free(root: Path, ref: ModelRef) -> None:
    if registry.folder(root, ref).exists():
        raise VersionTaken(
            f"{ref} is there already, and versions are never overwritten; give another --version."
        )


@contextmanager
def publishing(root: Path, ref: ModelRef) -> Iterator[Path]:
    """A hidden folder to write the version into; renamed into place if the block succeeds.

    A process that is killed in between leaves the hidden folder, which nothing reads.
    """
    target = registry.folder(root, ref)
    check_free(root, ref)
    partial = target.parent / f".{ref.semver}.{os.getpid()}.partial"
    try:
        partial.mkdir(parents=True)
        yield partial
        _sync(partial)
        partial.rename(target)
        _sync_folder(target.parent)
    except OSError as error:
        raise TrainingError(f"{ref} could not be saved: {error}.") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _sync(folder: Path) -> None:
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
