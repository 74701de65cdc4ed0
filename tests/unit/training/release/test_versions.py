import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from tokenizers.pre_tokenizers import BertPreTokenizer

from scoring.artifact.config import ScoringConfig
from scoring.artifact.manifest import Manifest, hashes
from scoring.errors import ArtifactMissing
from training.data.vocabulary import train_vocabulary
from training.presets import TINY
from training.release.versions import newest_version, next_version

SHAPE = TINY.model


def put(root: Path, version: str, data: str = "d", tokenizer: str = "{}") -> None:
    folder = root / "model" / version
    folder.mkdir(parents=True)
    (folder / "tokenizer.json").write_text(tokenizer)
    ScoringConfig(architecture=asdict(SHAPE)).write(folder / "config.json")
    Manifest(
        name="model",
        version=version,
        created_at="2026-01-01T00:00:00+00:00",
        parent=None,
        code_version="0",
        data={"fingerprint": data},
        metrics={},
        gates=[],
        files=hashes(folder, ["tokenizer.json", "config.json"]),
    ).write(folder)


def following(root: Path, **changed: object) -> str:
    tokenizer = root / "new_tokenizer.json"
    tokenizer.write_text(str(changed.pop("tokenizer", "{}")))
    options = {"data": "d", "shape": SHAPE, "requested": None} | changed
    return str(next_version(root, "model", tokenizer=tokenizer, **options))  # type: ignore[arg-type]


def test_first_version_is_1_0_0(tmp_path: Path) -> None:
    assert newest_version(tmp_path, "model") is None
    assert following(tmp_path) == "model/1.0.0"


def test_change_decides_the_next_number(tmp_path: Path) -> None:
    put(tmp_path, "1.9.0")
    put(tmp_path, "1.10.2")
    assert following(tmp_path) == "model/1.10.3"
    assert following(tmp_path, data="other") == "model/1.11.0"
    assert following(tmp_path, tokenizer="[]") == "model/2.0.0"
    assert following(tmp_path, shape=replace(SHAPE, layers=9)) == "model/2.0.0"
    assert following(tmp_path, shape=replace(SHAPE, layers=9), data="x") == "model/2.0.0"


def test_version_that_did_not_split_long_words_has_the_same_tokenizer(tmp_path: Path) -> None:
    tokenizer = train_vocabulary(["win a prize"] * 2, 60, lowercase=True)
    split, tokenizer.pre_tokenizer = tokenizer.to_str(), BertPreTokenizer()
    put(tmp_path, "1.0.0", tokenizer=tokenizer.to_str())
    assert following(tmp_path, tokenizer=split) == "model/1.0.1"
    tokenizer.add_tokens(["zebra"])
    assert following(tmp_path, tokenizer=tokenizer.to_str()) == "model/2.0.0"


def test_requested_version_is_used(tmp_path: Path) -> None:
    put(tmp_path, "1.0.0")
    assert following(tmp_path, requested="7.1.0") == "model/7.1.0"


def test_unreadable_version_counts_as_different(tmp_path: Path) -> None:
    put(tmp_path, "1.0.0")
    (tmp_path / "model" / "1.0.0" / "manifest.json").write_text(json.dumps({"format": 1}))
    assert following(tmp_path) == "model/2.0.0"


@pytest.mark.parametrize(("name", "version"), [("../up", None), ("", None), ("model", "one")])
def test_invalid_name_or_version_is_refused(tmp_path: Path, name: str, version: str | None) -> None:
    with pytest.raises(ArtifactMissing, match="NAME/VERSION"):
        next_version(tmp_path, name, version, data="d", shape=SHAPE, tokenizer=tmp_path)
