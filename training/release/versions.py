"""Chooses the number of the next version from what has changed since the newest one.

Patch: same data, shape and tokenizer. Minor: other data. Major: another shape or tokenizer.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import tokenizers

from scoring.artifact import artifact as files
from scoring.artifact import registry
from scoring.artifact.config import ScoringConfig
from scoring.artifact.manifest import FileHash, Manifest
from scoring.artifact.model_ref import ModelRef
from scoring.errors import ArtifactError
from training.data.long_words import split_long_words
from training.presets import ModelConfig

FIRST = "1.0.0"


def newest_version(root: Path, name: str) -> ModelRef | None:
    """Return the newest version of that name, or None; raises ArtifactMissing for a bad name."""
    ModelRef.parse(f"{name}/{FIRST}")
    versions = registry.versions(root, name)
    return versions[-1] if versions else None


def next_version(
    root: Path,
    name: str,
    requested: str | None,
    *,
    data: str,
    shape: ModelConfig,
    tokenizer: Path,
) -> ModelRef:
    """Return the requested version, otherwise the successor of the newest, otherwise 1.0.0.

    `data` is the fingerprint of the labelled texts, `tokenizer` the file of the new version.
    """
    if requested is not None:
        return ModelRef.parse(f"{name}/{requested}")
    newest = newest_version(root, name)
    if newest is None:
        return ModelRef.parse(f"{name}/{FIRST}")
    major, minor, patch = newest.version
    folder = registry.folder(root, newest)
    if not _same_shape_and_tokenizer(folder, shape, tokenizer):
        return ModelRef(name, (major + 1, 0, 0))
    if Manifest.read(folder).data.get("fingerprint") != data:
        return ModelRef(name, (major, minor + 1, 0))
    return ModelRef(name, (major, minor, patch + 1))


def _same_shape_and_tokenizer(folder: Path, shape: ModelConfig, tokenizer: Path) -> bool:
    try:
        architecture = ScoringConfig.read(folder / files.CONFIG).architecture
        same_tokenizer = _is_same_tokenizer(folder, tokenizer)
    except ArtifactError:
        # A version that cannot be read counts as different.
        return False
    # JSON has lists instead of tuples.
    new = {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(shape).items()}
    return architecture == new and same_tokenizer


def _is_same_tokenizer(folder: Path, tokenizer: Path) -> bool:
    """Compare with the tokenizer of the version in `folder`.

    A version that did not split long words yet is compared as if it did: the pieces are the same.
    """
    if Manifest.read(folder).files.get(files.TOKENIZER) == FileHash.of(tokenizer):
        return True
    try:
        earlier = tokenizers.Tokenizer.from_file(str(folder / files.TOKENIZER))
        new = tokenizers.Tokenizer.from_file(str(tokenizer))
    # The library raises a plain Exception for a file it cannot read.
    except Exception:
        return False
    split_long_words(earlier)
    return bool(earlier.to_str() == new.to_str())
