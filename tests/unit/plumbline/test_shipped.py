from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from plumbline import shipped
from plumbline.errors import FileUnwritable
from plumbline.shipped import install_shipped, model_name, resolve_model, shipped_models_dir
from scoring.artifact.manifest import Manifest
from scoring.errors import ArtifactDamaged, ArtifactMissing
from tests.artifacts import write_artifact
from tests.paths import MODELS, SHIPPED


@pytest.fixture
def no_shipped_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipped, "PACKAGE", tmp_path / "site-packages" / "plumbline")


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the shipped version in an installed wheel."""
    package = tmp_path / "site-packages" / "plumbline"
    folder = package / "shipped_models" / "sms-spam" / "1.0.0"
    shutil.copytree(SHIPPED, folder)
    monkeypatch.setattr(shipped, "PACKAGE", package)
    return folder


def test_checkout_ships_the_models_of_the_repository() -> None:
    assert shipped_models_dir() == MODELS


def test_wheel_ships_the_models_inside_the_package(wheel: Path) -> None:
    assert shipped_models_dir() == wheel.parent.parent


@pytest.mark.usefixtures("no_shipped_model")
def test_package_named_models_next_to_an_installed_wheel_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "site-packages" / "models").mkdir(parents=True)
    assert shipped_models_dir() is None


def test_existing_version_is_resolved(tmp_path: Path) -> None:
    folder = write_artifact(tmp_path, "tiny")
    assert resolve_model(tmp_path, "tiny") == folder


@pytest.mark.parametrize("ref", ["sms-spam", "sms-spam/1.0.0"])
def test_error_names_the_command_that_installs_the_shipped_version(
    ref: str, tmp_path: Path
) -> None:
    with pytest.raises(ArtifactMissing) as missing:
        resolve_model(tmp_path, ref)
    assert str(missing.value).endswith(
        " Run `plumbline models install-shipped` to install the shipped sms-spam/1.0.0."
    )


@pytest.mark.parametrize("ref", ["other", "sms-spam/9.9.9", "not a name/1"])
def test_error_for_another_version_does_not_name_the_command(ref: str, tmp_path: Path) -> None:
    with pytest.raises(ArtifactMissing) as missing:
        resolve_model(tmp_path, ref)
    assert "install-shipped" not in str(missing.value)


@pytest.mark.usefixtures("no_shipped_model")
def test_installation_without_a_shipped_model_offers_none(tmp_path: Path) -> None:
    with pytest.raises(ArtifactMissing) as missing:
        resolve_model(tmp_path, "sms-spam")
    assert "install-shipped" not in str(missing.value)
    with pytest.raises(ArtifactMissing, match="This installation ships no model"):
        install_shipped(tmp_path)


def test_shipped_version_is_copied_whole(wheel: Path, tmp_path: Path) -> None:
    folder = install_shipped(tmp_path / "new" / "models")
    assert folder == tmp_path / "new" / "models" / "sms-spam" / "1.0.0"
    assert model_name(folder) == "sms-spam/1.0.0"
    Manifest.read(folder).verify(folder)
    assert list(folder.parent.iterdir()) == [folder]
    assert resolve_model(tmp_path / "new" / "models", "sms-spam") == folder


def test_installed_version_is_never_overwritten(wheel: Path, tmp_path: Path) -> None:
    folder = install_shipped(tmp_path / "models")
    (folder / "MODEL_CARD.md").write_text("edited")
    with pytest.raises(FileUnwritable, match="exists already, and a model version is never over"):
        install_shipped(tmp_path / "models")
    assert (folder / "MODEL_CARD.md").read_text() == "edited"


def test_damaged_shipped_version_is_not_installed(wheel: Path, tmp_path: Path) -> None:
    (wheel / "config.json").write_text("{}")
    with pytest.raises(ArtifactDamaged):
        install_shipped(tmp_path / "models")
    assert list((tmp_path / "models").rglob("*")) == [tmp_path / "models" / "sms-spam"]


def test_unwritable_models_folder_is_reported_in_one_sentence(wheel: Path, tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file")
    with pytest.raises(FileUnwritable, match=r"models/sms-spam/1\.0\.0 cannot be written: "):
        install_shipped(tmp_path / "models")
