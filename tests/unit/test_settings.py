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
