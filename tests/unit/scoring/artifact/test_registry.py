import os
from pathlib import Path

import pytest

from scoring.artifact.registry import resolve, versions
from scoring.errors import ArtifactMissing
from tests.artifacts import write_artifact


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for version in ("1.9.0", "1.10.0"):
        write_artifact(tmp_path, "tiny", version)
    write_artifact(tmp_path, "other", "3.0.0")
    return tmp_path


def test_complete_versions_are_listed_oldest_first(root: Path) -> None:
    (root / "tiny" / "2.0.0").mkdir()
    write_artifact(root, ".tiny", "3.0.0")
    write_artifact(root, "tiny", ".3.0.0.unready")
    assert [str(ref) for ref in versions(root)] == ["other/3.0.0", "tiny/1.9.0", "tiny/1.10.0"]
    assert [str(ref) for ref in versions(root, "tiny")] == ["tiny/1.9.0", "tiny/1.10.0"]


def test_name_without_a_version_means_the_newest(root: Path) -> None:
    assert resolve(root, "tiny") == root / "tiny" / "1.10.0"
    assert resolve(root, "tiny/1.9.0") == root / "tiny" / "1.9.0"


@pytest.mark.parametrize("model", ["absent", "tiny/1.11.0", "*"])
def test_error_for_a_missing_version_lists_the_available_ones(root: Path, model: str) -> None:
    with pytest.raises(ArtifactMissing) as error:
        resolve(root, model)
    assert str(error.value) == (
        f"There is no model {model} in {root}; available: other/3.0.0, tiny/1.9.0, tiny/1.10.0."
    )


def test_missing_folder_has_no_versions(tmp_path: Path) -> None:
    assert versions(tmp_path / "none") == []
    with pytest.raises(ArtifactMissing, match="available: none"):
        resolve(tmp_path / "none", "tiny")


def test_models_folder_that_is_none_or_unreadable_is_an_error_of_the_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert versions(tmp_path / "none") == []
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        versions(tmp_path / "file")

    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(PermissionError):
        versions(tmp_path)
