from pathlib import Path

import pytest

from plumbline.errors import SettingsInvalid
from plumbline.settings import Settings


def test_every_setting_has_a_description() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description and field.description.endswith("."), name


def test_secrets_are_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLUMBLINE_DATABASE_URL", "postgresql://me:hunter2@host/db")
    assert "hunter2" not in str(Settings.read().masked())
    assert "hunter2" not in repr(Settings.read())


def test_an_invalid_setting_is_named_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLUMBLINE_MESSAGE_SIZE", "many")
    with pytest.raises(SettingsInvalid, match=r"^PLUMBLINE_MESSAGE_SIZE is not usable: .*\.$"):
        Settings.read()


def test_an_empty_variable_is_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLUMBLINE_BROKER_URL", "")
    assert Settings.read().broker_url is None


@pytest.mark.parametrize(
    ("url", "secret", "reason"),
    [
        ("ftp://hooks.example/x", "s", "it is not an http:// or https:// address"),
        ("http://", "s", "it is not an http:// or https:// address"),
        ("https://hooks.example/x", "", "it also requires PLUMBLINE_ALERT_WEBHOOK_SECRET"),
    ],
)
def test_a_webhook_requires_an_address_and_a_secret(
    monkeypatch: pytest.MonkeyPatch, url: str, secret: str, reason: str
) -> None:
    monkeypatch.setenv("PLUMBLINE_ALERT_WEBHOOK_URL", url)
    monkeypatch.setenv("PLUMBLINE_ALERT_WEBHOOK_SECRET", secret)
    with pytest.raises(SettingsInvalid) as invalid:
        Settings.read()
    assert reason in str(invalid.value)
    assert "PLUMBLINE_ALERT_WEBHOOK_URL is not usable" in str(invalid.value)
    assert "hooks.example" not in str(invalid.value), "an address may contain a token"


def test_evidentlys_workspace_is_in_the_state_folder_elsewhere_or_off(tmp_path: Path) -> None:
    state = tmp_path / "state"
    assert Settings(state_dir=state).workspace_dir == state / "evidently"
    assert Settings(evidently_workspace=tmp_path).workspace_dir == tmp_path
    assert Settings(evidently_workspace=Path("off")).workspace_dir is None


def test_absolute_folders_are_valid_in_any_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = Settings(state_dir=Path("s"), evidently_workspace=Path("e"))
    absolute = settings.with_absolute_folders()
    assert absolute.state_dir == tmp_path / "s"
    assert absolute.models_dir == tmp_path / "models"
    assert absolute.workspace_dir == tmp_path / "e"
    off = Settings(evidently_workspace=Path("off")).with_absolute_folders()
    assert off.workspace_dir is None
    assert Settings().with_absolute_folders().evidently_workspace is None
