from pathlib import Path

import pytest

from plumbline.errors import SettingsInvalid
from plumbline.settings import Settings


def test_every_setting_has_a_line_of_documentation() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description and field.description.endswith((".", "embedded.")), name


def test_secrets_are_stars(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLUMBLINE_DATABASE_URL", "postgresql://me:hunter2@host/db")
    assert "hunter2" not in str(Settings.read().masked())
    assert "hunter2" not in repr(Settings.read())


def test_a_wrong_setting_is_named_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLUMBLINE_MESSAGE_SIZE", "many")
    with pytest.raises(SettingsInvalid, match=r"^PLUMBLINE_MESSAGE_SIZE is not usable: .*\.$"):
        Settings.read()


def test_an_empty_variable_means_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLUMBLINE_BROKER_URL", "")
    assert Settings.read().broker_url is None


@pytest.mark.parametrize(
    ("url", "secret", "says"),
    [
        ("ftp://hooks.example/x", "s", "it is no http:// or https:// address"),
        ("http://", "s", "it is no http:// or https:// address"),
        ("https://hooks.example/x", "", "it wants PLUMBLINE_ALERT_WEBHOOK_SECRET beside it"),
    ],
)
def test_a_webhook_wants_an_address_and_a_secret(
    monkeypatch: pytest.MonkeyPatch, url: str, secret: str, says: str
) -> None:
    monkeypatch.setenv("PLUMBLINE_ALERT_WEBHOOK_URL", url)
    monkeypatch.setenv("PLUMBLINE_ALERT_WEBHOOK_SECRET", secret)
    with pytest.raises(SettingsInvalid) as refused:
        Settings.read()
    assert says in str(refused.value)
    assert "PLUMBLINE_ALERT_WEBHOOK_URL is not usable" in str(refused.value)
    assert "hooks.example" not in str(refused.value), "an address may hold a token"


def test_evidentlys_workspace_is_in_the_state_elsewhere_or_nowhere(tmp_path: Path) -> None:
    state = tmp_path / "state"
    assert Settings(state_dir=state).workspace_dir == state / "evidently"
    assert Settings(evidently_workspace=tmp_path).workspace_dir == tmp_path
    assert Settings(evidently_workspace=Path("off")).workspace_dir is None


def test_folders_mean_the_same_in_another_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = Settings(state_dir=Path("s"), evidently_workspace=Path("e")).from_anywhere()
    assert settings.state_dir == tmp_path / "s"
    assert settings.models_dir == tmp_path / "models"
    assert settings.workspace_dir == tmp_path / "e"
    off = Settings(evidently_workspace=Path("off")).from_anywhere()
    assert off.workspace_dir is None
    assert Settings().from_anywhere().evidently_workspace is None
