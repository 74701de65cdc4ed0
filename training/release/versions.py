"""Which number the next version gets: what changed since the one before decides.

Patch: the same data, shape and tokenizer. Minor: other data. Major: another shape or tokenizer.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from scoring.artifact import artifact as files
from scoring.artifact import registry
from scoring.artifact.config import ScoringConfig
from scoring.artifact.manifest import FileHash, Manifest
from scoring.artifact.model_ref import ModelRef
from scoring.errors import ArtifactError
from training.presets import ModelConfig

FIRST = "1.0.0"


def newest(root: Path, name: str) -> ModelRef | None:
    """The newest version of that name; None where there is none. Raises ArtifactMissing."""
    ModelRef.parse(f"{name}/{FIRST}")
    known = registry.versions(root, name)
    return known[-1] if known else None


def next_ref(
    root: Path, name: str, wanted: str | None, *, data: str, shape: ModelConfig, tokenizer: Path
) -> ModelRef:
    """The version to make: the one wanted, else the newest one's successor, else 1.0.0.

    `data` is the fingerprint of the labelled texts, `tokenizer` the file the version will have.
    """
    if wanted is not None:
        return ModelRef.parse(f"{name}/{wanted}")
    before = newest(root, name)
    if before is None:
        return ModelRef.parse(f"{name}/{FIRST}")
    major, minor, patch = before.version
    folder = registry.folder(root, before)
    if not _same_kind(folder, shape, tokenizer):
        return ModelRef(name, (major + 1, 0, 0))
    if Manifest.read(folder).data.get("fingerprint") != data:
        return ModelRef(name, (major, minor + 1, 0))
    return ModelRef(name, (major, minor, patch + 1))


def _same_kind(folder: Path, shape: ModelConfig, tokenizer: Path) -> bool:
    try:
        before = ScoringConfig.read(folder / files.CONFIG).architecture
        known = Manifest.read(folder).files.get(files.TOKENIZER)
    except ArtifactError:
        # What cannot be read cannot be the same.
        return False
    now = {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(shape).items()}
    return before == now and known == FileHash.of(tokenizer)
