"""A folder of model versions: models/NAME/VERSION."""

from __future__ import annotations

import os
from pathlib import Path

from scoring.artifact import manifest
from scoring.artifact.model_ref import ModelRef
from scoring.errors import ArtifactMissing


def versions(root: Path, name: str | None = None) -> list[ModelRef]:
    """Return the complete versions under `root`, oldest first.

    Hidden folders and folders without a manifest are not versions. Raises OSError if `root` is not
    a folder, or may not be read.
    """
    if not root.exists():
        return []
    # `glob` finds nothing in what cannot be read.
    os.scandir(root).close()
    refs = []
    for path in root.glob(f"{name or '*'}/*/{manifest.FILE_NAME}"):
        try:
            refs.append(ModelRef.parse(model_name(path.parent)))
        except ArtifactMissing:
            continue
    return sorted(refs)


def folder(root: Path, ref: ModelRef) -> Path:
    return root / ref.name / ref.semver


def model_name(folder: Path) -> str:
    """Return NAME/VERSION of a version's folder."""
    return f"{folder.parent.name}/{folder.name}"


def resolve(root: Path, model: str) -> Path:
    """Return the folder of "name/1.2.3", or of the newest version of "name".

    Raises ArtifactMissing.
    """
    known = versions(root)
    if "/" in model:
        matches = [ref for ref in known if ref == ModelRef.parse(model)]
    else:
        matches = [ref for ref in known if ref.name == model]
    if not matches:
        available = ", ".join(str(ref) for ref in known) or "none"
        raise ArtifactMissing(f"There is no model {model} in {root}; available: {available}.")
    return folder(root, matches[-1])
