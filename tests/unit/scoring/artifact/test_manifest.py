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


def test_a_manifest_is_read_as_it_was_written_and_knows_its_own_hash(folder: Path) -> None:
    manifest = Manifest.read(folder)
    assert (manifest.name, manifest.version) == ("tiny", "1.0.0")
    assert manifest.sha256 == hashlib.sha256((folder / FILE_NAME).read_bytes()).hexdigest()
    manifest.write(folder)
    assert Manifest.read(folder) == manifest


def test_a_whole_version_is_verified(folder: Path) -> None:
    Manifest.read(folder).verify(folder)


@pytest.mark.parametrize("position", [0, -1])
def test_one_changed_byte_is_found(folder: Path, position: int) -> None:
    path = folder / "model.int8.tflite"
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)
    with pytest.raises(ArtifactDamaged, match=r"model\.int8\.tflite is not what its manifest says"):
        Manifest.read(folder).verify(folder)


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / "config.json").unlink()
    with pytest.raises(ArtifactMissing, match=r"config\.json is missing; copy the version anew"):
        Manifest.read(folder).verify(folder)


def test_training_files_may_be_left_behind_but_not_changed(folder: Path) -> None:
    (folder / "weights").write_bytes(b"as it was")
    files = {"weights": {"sha256": FileHash.of(folder / "weights").sha256, "bytes": 9}}
    edit(folder, training_files=files)
    Manifest.read(folder).verify(folder)
    (folder / "weights").write_bytes(b"as it is!")
    with pytest.raises(ArtifactDamaged, match="weights"):
        Manifest.read(folder).verify(folder)
    (folder / "weights").unlink()
    Manifest.read(folder).verify(folder)


@pytest.mark.parametrize("name", ["../other", "/etc/passwd", "a/../../b", "..\\b"])
def test_a_manifest_reaches_nothing_outside_its_folder(folder: Path, name: str) -> None:
    edit(folder, files={name: {"sha256": "00", "bytes": 1}})
    with pytest.raises(ArtifactInvalid, match="lies outside the folder"):
        Manifest.read(folder)


def test_a_later_format_is_refused(folder: Path) -> None:
    edit(folder, format=2)
    with pytest.raises(ArtifactInvalid, match="has format 2, and this release reads format 1"):
        Manifest.read(folder)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"files": {"a": {"sha256": "0"}}}'])
def test_nonsense_is_no_manifest(folder: Path, content: str) -> None:
    (folder / FILE_NAME).write_text(content, encoding="utf-8")
    with pytest.raises(ArtifactInvalid, match="cannot be read"):
        Manifest.read(folder)


def test_a_folder_without_one_is_no_version(tmp_path: Path) -> None:
    with pytest.raises(ArtifactMissing, match=r"is no model version: it has no manifest\.json"):
        Manifest.read(tmp_path)
