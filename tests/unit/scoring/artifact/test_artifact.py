import json
from pathlib import Path

import pytest

from scoring.artifact.artifact import Artifact
from scoring.artifact.manifest import FILE_NAME
from scoring.errors import ArtifactDamaged, ArtifactInvalid
from tests.artifacts import profile, write_artifact


def test_complete_version_is_loaded(tmp_path: Path) -> None:
    artifact = Artifact.load(write_artifact(tmp_path))
    assert artifact.name == "tiny/1.0.0"
    assert artifact.config.labels == ("ham", "spam")
    assert artifact.model_path == tmp_path / "tiny" / "1.0.0" / "model.int8.tflite"
    assert artifact.profile() == profile()


def test_files_are_verified_before_any_is_read(tmp_path: Path) -> None:
    folder = write_artifact(tmp_path)
    (folder / "config.json").write_text("nonsense", encoding="utf-8")
    with pytest.raises(ArtifactDamaged):
        Artifact.load(folder)


def test_manifest_without_a_serving_file_is_rejected(tmp_path: Path) -> None:
    folder = write_artifact(tmp_path)
    raw = json.loads((folder / FILE_NAME).read_bytes())
    del raw["files"]["model.int8.tflite"]
    (folder / FILE_NAME).write_text(json.dumps(raw), encoding="utf-8")
    with pytest.raises(ArtifactInvalid, match=r"manifest does not list model\.int8\.tflite"):
        Artifact.load(folder)
