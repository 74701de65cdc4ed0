"""Publishes a version: it appears in the models folder completely or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from plumbline.system_errors import cause_and_cure
from scoring.artifact import registry
from scoring.artifact.model_ref import ModelRef
from training.atomic_write import PARTIAL_OF_PROCESS, atomic_folder
from training.errors import TrainingError, VersionExists


def check_version_is_free(root: Path, ref: ModelRef) -> None:
    """Raise VersionExists if the models folder `root` has the version."""
    if registry.folder(root, ref).exists():
        raise VersionExists(
            f"{ref} exists already, and versions are never overwritten; give another --version."
        )


def check_writable(root: Path) -> None:
    """Raise TrainingError if no version can be saved in `root`, before the hours of a run."""
    folders = (root.absolute(), *root.absolute().parents)
    existing = next(folder for folder in folders if os.path.lexists(folder))
    if not existing.is_dir():
        problem = "is not a folder"
    elif not os.access(existing, os.W_OK | os.X_OK):
        problem = "cannot be written by this user"
    else:
        return
    raise TrainingError(f"{existing} {problem}; name another --models-dir.")


@contextmanager
def staging_folder(root: Path, ref: ModelRef) -> Iterator[Path]:
    """Yield a hidden folder to write the version to; it is published if the block succeeds."""
    check_version_is_free(root, ref)
    try:
        with atomic_folder(registry.folder(root, ref), PARTIAL_OF_PROCESS) as folder:
            yield folder
    except OSError as error:
        raise TrainingError(
            f"{ref} could not be saved in {root}: {cause_and_cure(error)}."
        ) from error
