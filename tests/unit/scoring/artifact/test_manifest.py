import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from scoring.artifact.manifest import FILE_NAME, FileHash, Manifest
from scoring.errors import ArtifactDamaged, ArtifactInvalid, ArtifactMissing
from tests.artifacts import write_artifact


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_artifact(tmp_path)


def edit(folder: Path, **change: Any) -> None:
    path = folder / FILE_NAME
    path.write_text(json.dumps(json.loads(path.read_bytes()) | change), encoding="utf-8")


def test_manifest_round_trips_and_has_its_own_hash(folder: Path) -> None:
    manifest = Manifest.read(folder)
    assert (manifest.name, manifest.version) == ("tiny", "1.0.0")
    assert manifest.sha256 == hashlib.sha256((folder / FILE_NAME).read_bytes()).hexdigest()
    manifest.write(folder)
    assert Manifest.read(folder) == manifest


def test_complete_version_is_verified(folder: Path) -> None:
    Manifest.read(folder).verify(folder)


@pytest.mark.parametrize("position", [0, -1])
def test_one_changed_byte_is_detected(folder: Path, position: int) -> None:
    path = folder / "model.int8.tflite"
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)
    with pytest.raises(ArtifactDamaged, match=r"model\.int8\.tflite does not match its manifest"):
        Manifest.read(folder).verify(folder)


def test_missing_file_is_named(folder: Path) -> None:
    (folder / "config.json").unlink()
    with pytest.raises(ArtifactMissing, match=r"config\.json is missing; copy the version again"):
        Manifest.read(folder).verify(folder)


def test_training_files_may_be_missing_but_not_changed(folder: Path) -> None:
    (folder / "weights").write_bytes(b"original.")
    files = {"weights": {"sha256": FileHash.of(folder / "weights").sha256, "bytes": 9}}
    edit(folder, training_files=files)
    Manifest.read(folder).verify(folder)
    (folder / "weights").write_bytes(b"different")
    with pytest.raises(ArtifactDamaged, match="weights"):
        Manifest.read(folder).verify(folder)
    (folder / "weights").unlink()
    Manifest.read(folder).verify(folder)


@pytest.mark.parametrize("name", ["../other", "/etc/passwd", "a/../../b", "..\\b"])
def test_manifest_cannot_name_files_outside_its_folder(folder: Path, name: str) -> None:
    edit(folder, files={name: {"sha256": "00", "bytes": 1}})
    with pytest.raises(ArtifactInvalid, match="is outside the folder"):
        Manifest.read(folder)


def test_later_format_is_rejected(folder: Path) -> None:
    edit(folder, format=2)
    with pytest.raises(ArtifactInvalid, match="has format 2, but this release reads format 1"):
        Manifest.read(folder)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"files": {"a": {"sha256": "0"}}}'])
def test_invalid_content_is_rejected(folder: Path, content: str) -> None:
    (folder / FILE_NAME).write_text(content, encoding="utf-8")
    with pytest.raises(ArtifactInvalid, match="cannot be read"):
        Manifest.read(folder)


def test_folder_without_a_manifest_is_not_a_version(tmp_path: Path) -> None:
    with pytest.raises(ArtifactMissing, match=r"is not a model version: it has no manifest\.json"):
        Manifest.read(tmp_path)
