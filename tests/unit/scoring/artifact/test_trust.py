import os
from pathlib import Path

import minisign
import pytest

from scoring.artifact.artifact import Artifact
from scoring.artifact.config import ScoringConfig
from scoring.artifact.manifest import Manifest, hashes
from scoring.artifact.trust import SIGNATURE_NAME, Trust
from scoring.errors import ArtifactChanged, ArtifactInvalid, ArtifactUnsigned
from tests.artifacts import write_artifact

PAIR = minisign.KeyPair.generate()
OTHER = minisign.KeyPair.generate()


def public_key(pair: minisign.KeyPair) -> str:
    return str(pair.public_key.to_base64().decode())


def sign(folder: Path, pair: minisign.KeyPair = PAIR) -> None:
    signature = pair.secret_key.sign((folder / "manifest.json").read_bytes())
    (folder / SIGNATURE_NAME).write_bytes(bytes(signature))


def swap_labels(folder: Path) -> None:
    """Exchange the labels, and write a manifest that agrees."""
    manifest = Manifest.read(folder)
    ScoringConfig(labels=("spam", "ham")).write(folder / "config.json")
    manifest.files.update(hashes(folder, ["config.json"]))
    manifest.write(folder)


def test_the_registered_version_is_loaded_and_a_changed_one_is_not(tmp_path: Path) -> None:
    folder = write_artifact(tmp_path)
    trust = Trust(Manifest.read(folder).sha256)
    assert Artifact.load(folder, trust).config.labels == ("ham", "spam")
    swap_labels(folder)
    assert Artifact.load(folder).config.labels == ("spam", "ham"), "the files belong together"
    with pytest.raises(ArtifactChanged, match=r"is not what was registered as tiny/1\.0\.0: its"):
        Artifact.load(folder, trust)


def test_a_version_of_another_name_is_not_loaded(tmp_path: Path) -> None:
    folder = write_artifact(tmp_path).rename(tmp_path / "tiny" / "1.0.1")
    with pytest.raises(ArtifactInvalid, match=r"is that of tiny/1\.0\.0; the folder must have"):
        Artifact.load(folder)


def test_a_signature_of_the_key_is_required(tmp_path: Path) -> None:
    folder, trust = write_artifact(tmp_path), Trust(public_key=public_key(PAIR))
    with pytest.raises(ArtifactUnsigned, match=r"has no signature that can be read"):
        Artifact.load(folder, trust)
    sign(folder)
    assert Artifact.load(folder, trust).name == "tiny/1.0.0"
    with pytest.raises(ArtifactUnsigned, match="is not of the key"):
        Artifact.load(folder, Trust(public_key=public_key(OTHER)))
    swap_labels(folder)
    with pytest.raises(ArtifactUnsigned, match="or its manifest was changed afterwards"):
        Artifact.load(folder, trust)
    (folder / SIGNATURE_NAME).write_bytes(b"nonsense")
    with pytest.raises(ArtifactUnsigned, match="is not a signature of minisign"):
        Artifact.load(folder, trust)


@pytest.mark.parametrize("name", ["manifest.json", "model.int8.tflite", "config.json", ""])
def test_symbolic_links_out_of_the_models_folder_are_refused(tmp_path: Path, name: str) -> None:
    folder = write_artifact(tmp_path / "models")
    outside = tmp_path / "outside"
    (folder / name).rename(outside)
    (folder / name if name else folder).symlink_to(outside)
    with pytest.raises(ArtifactInvalid, match="is a symbolic link out of"):
        Artifact.load(folder)


def test_symbolic_links_within_the_models_folder_are_followed(tmp_path: Path) -> None:
    folder = write_artifact(tmp_path / "models")
    hidden = folder / "..data"
    hidden.mkdir()
    (folder / "config.json").rename(hidden / "config.json")
    (folder / "config.json").symlink_to("..data/config.json")
    (tmp_path / "link").symlink_to(tmp_path / "models")
    assert Artifact.load(tmp_path / "link" / "tiny" / "1.0.0").name == "tiny/1.0.0"


@pytest.mark.parametrize("name", ["manifest.json", "config.json"])
def test_what_is_not_a_regular_file_is_refused_without_reading_it(
    tmp_path: Path, name: str
) -> None:
    folder = write_artifact(tmp_path)
    (folder / name).unlink()
    os.mkfifo(folder / name)
    with pytest.raises(ArtifactInvalid, match="is not a regular file"):
        Artifact.load(folder)


def test_a_link_to_itself_and_an_endless_manifest_are_refused(tmp_path: Path) -> None:
    folder = write_artifact(tmp_path)
    (folder / "config.json").unlink()
    (folder / "config.json").symlink_to("config.json")
    with pytest.raises(ArtifactInvalid, match="leads back to itself"):
        Artifact.load(folder)
    with (folder / "manifest.json").open("ab") as file:
        file.truncate(1 << 30)
    with pytest.raises(ArtifactInvalid, match="too large for a manifest"):
        Artifact.load(folder)
