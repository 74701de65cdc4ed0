"""A folder of model versions: models/NAME/VERSION."""

from __future__ import annotations

from pathlib import Path

from scoring.artifact import manifest
from scoring.artifact.model_ref import ModelRef
from scoring.errors import ArtifactMissing


def versions(root: Path, name: str | None = None) -> list[ModelRef]:
    """Every whole version under `root`, oldest first; hidden and half-written ones are not."""
    found = []
    for path in root.glob(f"{name or '*'}/*/{manifest.FILE_NAME}"):
        try:
            found.append(ModelRef.parse(f"{path.parent.parent.name}/{path.parent.name}"))
        except ArtifactMissing:
            continue
    return sorted(found)


def folder(root: Path, ref: ModelRef) -> Path:
    return root / ref.name / ref.semver


def resolve(root: Path, wanted: str) -> Path:
    """The folder of "name/1.2.3", or of the newest version of "name"."""
    known = versions(root)
    if "/" in wanted:
        matches = [ref for ref in known if ref == ModelRef.parse(wanted)]
    else:
        matches = [ref for ref in known if ref.name == wanted]
    if not matches:
        there = ", ".join(str(ref) for ref in known) or "none"
        raise ArtifactMissing(f"There is no model {wanted} in {root}; there is: {there}.")
    return folder(root, matches[-1])
