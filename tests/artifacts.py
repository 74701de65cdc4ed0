"""Model versions for tests: small ones without a model, and copies of the shipped one."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from scoring.artifact import artifact
from scoring.artifact.config import ScoringConfig
from scoring.artifact.manifest import Manifest, hashes
from scoring.artifact.profile import Histogram, Profile
from scoring.artifact.registry import resolve
from scoring.input.familiarity import Familiarity
from scoring.input.features import INPUT_FEATURES
from scoring.input.tokenizer import SPECIALS
from storage.serving.deployments import VersionRecord
from tests.paths import MODELS

WORDS = ("win", "a", "prize", "see", "you", "at", "six", "ready")


def gate(measure: str, value: float | None, bound: float, **more: Any) -> dict[str, Any]:
    """Return a gate result as in a manifest; it passed if the value is at least the bound."""
    return {
        "name": f"{measure} >= {bound}",
        "measure": measure,
        "value": value,
        "bound": bound,
        "at_least": True,
        "passed": value is not None and value >= bound,
        "skipped": False,
        "sentence": f"{measure} is {value}; the gate requires at least {bound}.",
    } | more


PASSED = (gate("f1", 0.95, 0.9), gate("f1_drop", None, 0.01, passed=True, skipped=True))
FAILED = (gate("f1", 0.85, 0.9), gate("accuracy", 0.97, 0.95))


def write_copy(root: Path, version: str, gates: Sequence[Any], name: str = "sms-spam") -> Path:
    """Copy the shipped model as another version with these gates; return its folder."""
    folder = root / name / version
    shutil.copytree(resolve(MODELS, "sms-spam"), folder)
    manifest = Manifest.read(folder)
    replace(manifest, name=name, version=version, gates=list(gates)).write(folder)
    return folder


def version_record(root: Path, model: str) -> VersionRecord:
    """Return what is registered about a version: the hash of its manifest, if it exists."""
    folder = root / model
    sha256 = Manifest.read(folder).sha256 if folder.is_dir() else ""
    return VersionRecord(model, sha256, {})


def write_tokenizer(path: Path) -> None:
    vocabulary = {token: number for number, token in enumerate((*SPECIALS, *WORDS))}
    tokenizer = tokenizers.Tokenizer(WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.save(str(path))


def profile(model: str = "tiny/1.0.0") -> Profile:
    columns: dict[str, list[float] | list[str]] = {name: [1.0, 2.0] for name in INPUT_FEATURES}
    columns |= {"probability": [0.1, 0.9], "confidence": [0.9, 0.9]}
    columns["decision"] = ["negative", "positive"]
    return Profile(model, "validation", 2, columns, {"probability": Histogram([0, 0.5, 1], [1, 1])})


def familiarity() -> Familiarity:
    """Return the familiarity of a training set with the single text "win a prize"."""
    ids = range(len(SPECIALS), len(SPECIALS) + 3)
    return Familiarity.learn(["win a prize"], [ids], len(SPECIALS) + len(WORDS))


def write_artifact(
    root: Path, name: str = "tiny", version: str = "1.0.0", config: ScoringConfig | None = None
) -> Path:
    """Write a complete version to root/NAME/VERSION; return its folder."""
    folder = root / name / version
    folder.mkdir(parents=True)
    write_tokenizer(folder / artifact.TOKENIZER)
    (config or ScoringConfig(labels=("ham", "spam"))).write(folder / artifact.CONFIG)
    (folder / artifact.MODEL).write_bytes(b"not a model")
    (folder / artifact.CARD).write_text("# Tiny\n", encoding="utf-8")
    profile(f"{name}/{version}").write(folder / artifact.PROFILE)
    familiarity().write(folder / artifact.FAMILIARITY)
    Manifest(
        name=name,
        version=version,
        created_at="2026-01-01T00:00:00+00:00",
        parent=None,
        code_version="0.1.0",
        data={},
        metrics={},
        gates=[],
        files=hashes(folder, artifact.SERVING_FILES),
    ).write(folder)
    return folder
