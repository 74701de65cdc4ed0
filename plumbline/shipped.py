"""The model version that comes with this installation, for a models folder that has none yet."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from plumbline.atomic_file import translate_write_errors
from plumbline.errors import FileUnwritable
from plumbline.settings import Settings
from scoring.artifact.manifest import Manifest
from scoring.artifact.registry import model_name, resolve
from scoring.errors import ArtifactMissing

PACKAGE = Path(__file__).resolve().parent
INSTALL_COMMAND = "plumbline models install-shipped"


def shipped_models_dir() -> Path | None:
    """Return the folder of models in the wheel or the checkout; None if there is none."""
    in_wheel = PACKAGE / "shipped_models"
    if in_wheel.is_dir():
        return in_wheel
    checkout = PACKAGE.parent
    # Next to an installed package, `models` is somebody else's package.
    if (checkout / "pyproject.toml").is_file() and (checkout / "models").is_dir():
        return checkout / "models"
    return None


def shipped_model() -> Path | None:
    """Return the folder of the shipped version of the default model; None if none is shipped."""
    models_dir = shipped_models_dir()
    if models_dir is None:
        return None
    try:
        return resolve(models_dir, Settings.model_fields["model"].default)
    except ArtifactMissing:
        return None


def resolve_model(models_dir: Path, ref: str) -> Path:
    """Return the folder of NAME/VERSION, or of the newest version of NAME.

    Raises ArtifactMissing, which names INSTALL_COMMAND if the shipped version would do.
    """
    try:
        return resolve(models_dir, ref)
    except ArtifactMissing as error:
        shipped = shipped_model()
        if shipped is None or ref not in (shipped.parent.name, model_name(shipped)):
            raise
        raise ArtifactMissing(
            f"{error} Run `{INSTALL_COMMAND}` to install the shipped {model_name(shipped)}."
        ) from error


def install_shipped(models_dir: Path) -> Path:
    """Copy the shipped version into `models_dir`, whole or not at all; return its new folder.

    Raises ArtifactMissing if this installation ships no model, FileUnwritable if the version exists
    already or cannot be written.
    """
    shipped = shipped_model()
    if shipped is None:
        raise ArtifactMissing("This installation ships no model; copy a version into the folder.")
    target = models_dir / shipped.parent.name / shipped.name
    if target.exists():
        raise FileUnwritable(
            f"{target} exists already, and a model version is never overwritten; remove it first."
        )
    # A hidden folder is not a version, so a copy that was killed is never loaded.
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        with translate_write_errors(target):
            shutil.copytree(shipped, partial)
            Manifest.read(partial).verify(partial)
            partial.rename(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return target
