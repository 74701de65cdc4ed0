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


def test_every_whole_version_is_listed_oldest_first(root: Path) -> None:
    (root / "tiny" / "2.0.0").mkdir()
    write_artifact(root, ".tiny", "3.0.0")
    write_artifact(root, "tiny", ".3.0.0.unready")
    assert [str(ref) for ref in versions(root)] == ["other/3.0.0", "tiny/1.9.0", "tiny/1.10.0"]
    assert [str(ref) for ref in versions(root, "tiny")] == ["tiny/1.9.0", "tiny/1.10.0"]


def test_a_name_alone_means_its_newest_version(root: Path) -> None:
    assert resolve(root, "tiny") == root / "tiny" / "1.10.0"
    assert resolve(root, "tiny/1.9.0") == root / "tiny" / "1.9.0"


@pytest.mark.parametrize("wanted", ["absent", "tiny/1.11.0", "*"])
def test_what_is_not_there_is_told_with_what_is(root: Path, wanted: str) -> None:
    with pytest.raises(ArtifactMissing) as error:
        resolve(root, wanted)
    assert str(error.value) == (
        f"There is no model {wanted} in {root}; there is: other/3.0.0, tiny/1.9.0, tiny/1.10.0."
    )


def test_a_folder_that_is_not_there_holds_no_versions(tmp_path: Path) -> None:
    assert versions(tmp_path / "none") == []
    with pytest.raises(ArtifactMissing, match="there is: none"):
        resolve(tmp_path / "none", "tiny")
