"""Small whole model versions for tests; the model itself is bytes that no runtime will read."""

from __future__ import annotations

from pathlib import Path

import tokenizers
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from scoring import artifact
from scoring.config import ScoringConfig
from scoring.features import INPUT_FEATURES
from scoring.manifest import Manifest, hashes
from scoring.profile import Histogram, Profile
from scoring.tokenizer import SPECIALS

WORDS = ("win", "a", "prize", "see", "you", "at", "six", "ready")


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


def write_artifact(
    root: Path, name: str = "tiny", version: str = "1.0.0", config: ScoringConfig | None = None
) -> Path:
    """A whole version in root/NAME/VERSION; return its folder."""
    folder = root / name / version
    folder.mkdir(parents=True)
    write_tokenizer(folder / artifact.TOKENIZER)
    (config or ScoringConfig(labels=("ham", "spam"))).write(folder / artifact.CONFIG)
    (folder / artifact.MODEL).write_bytes(b"no model at all")
    (folder / artifact.CARD).write_text("# Tiny\n", encoding="utf-8")
    profile(f"{name}/{version}").write(folder / artifact.PROFILE)
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
