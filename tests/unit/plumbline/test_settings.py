import os
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.errors import SettingsInvalid
from plumbline.settings import LOG_LEVELS, Settings
from plumbline_client.errors import BrokerUrlInvalid, PlumblineError


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


def test_shared_weights_are_in_the_state_folder_elsewhere_or_off(tmp_path: Path) -> None:
    assert Settings(state_dir=tmp_path).weights_folder == tmp_path / "weights"
    assert Settings(weights_dir=tmp_path).weights_folder == tmp_path
    assert Settings(weights_dir=Path("off")).weights_folder is None


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


@pytest.mark.parametrize("level", ["debug", " Info\r\n", "WARN", "fatal", "CRITICAL"])
def test_a_log_level_is_read_in_any_spelling(monkeypatch: pytest.MonkeyPatch, level: str) -> None:
    monkeypatch.setenv("PLUMBLINE_LOG_LEVEL", level)
    assert Settings.read().log_level in LOG_LEVELS


@pytest.mark.parametrize("level", ["loud", "20", "TRACE", "a\nb"])
def test_an_unknown_log_level_is_refused_with_the_known_ones(
    monkeypatch: pytest.MonkeyPatch, level: str
) -> None:
    monkeypatch.setenv("PLUMBLINE_LOG_LEVEL", level)
    with pytest.raises(
        SettingsInvalid, match=r"LOG_LEVEL is not usable: it must be DEBUG, .* or CRITICAL"
    ) as invalid:
        Settings.read()
    assert "\n" not in str(invalid.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LEASE_S", "inf"),
        ("SWEEP_EVERY_S", "nan"),
        ("SWEEP_EVERY_S", "1e300"),
        ("CHILD_MEMORY_MB", "1000000000000"),
        ("MAX_TEXT_CHARS", "9" * 30),
    ],
)
def test_a_number_that_no_server_can_store_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"PLUMBLINE_{name}", value)
    with pytest.raises(SettingsInvalid, match=f"^PLUMBLINE_{name} is not usable: "):
        Settings.read()


def test_a_value_that_is_not_utf_8_is_refused_except_in_a_path(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PLUMBLINE_STATE_DIR", os.fsdecode(b"/data/caf\xe9"))
    assert os.fsencode(Settings.read().state_dir) == b"/data/caf\xe9"
    monkeypatch.setenv("PLUMBLINE_SOURCE", os.fsdecode(b"caf\xe9"))
    with pytest.raises(SettingsInvalid, match="SOURCE is not usable: it is not text in UTF-8"):
        Settings.read()
    # As Python decodes the environment in the POSIX locale.
    monkeypatch.setenv("PLUMBLINE_SOURCE", "caf\udcc3\udca9")
    assert Settings.read().source == "café"


def test_the_environment_takes_precedence_over_the_env_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = "PLUMBLINE_SOURCE=file\nPLUMBLINE_MODEL=file\nPLUMBLINE__ENV_FILE=x\nPLUMBLINE_NO=1\n"
    Path(".env").write_text(lines)
    monkeypatch.setenv("PLUMBLINE_SOURCE", "environment")
    monkeypatch.setenv("PLUMBLINE_MODEL", "")
    settings = Settings.read()
    assert (settings.source, settings.model) == ("environment", "file")


def test_a_value_of_the_env_file_that_is_not_usable_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(".env").write_text("PLUMBLINE_MESSAGE_SIZE=many\n")
    with pytest.raises(SettingsInvalid, match=r"^PLUMBLINE_MESSAGE_SIZE is not usable: "):
        Settings.read()


def test_a_folder_that_leads_back_to_itself_is_refused(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(SettingsInvalid, match=r"STATE_DIR=.* is not usable: .*symbolic link"):
        Settings(state_dir=tmp_path / "loop" / "x").with_absolute_folders()


FORMS = (
    "{}",
    "redis://:{}@host:1/0",
    "redis://host:{}/0",
    "redis://host?password={}",
    "unix://:{}@/run/redis.sock",
    "postgresql://me:{}@host:1/name",
    "postgresql://me@host/name?password={}",
    "https://hooks.example/{}",
    "https://me:{}@host:1/x",
    "https://[{}/x",
)


@given(
    name=st.sampled_from(["BROKER_URL", "DATABASE_URL", "ALERT_WEBHOOK_URL"]),
    form=st.sampled_from(FORMS),
    inner=st.text(
        st.sampled_from("/#@?:%&=[] \u2100") | st.characters(exclude_categories=["Cs"]), max_size=9
    ).filter(lambda inner: "\0" not in inner),
)
def test_no_output_of_the_settings_holds_a_secret(name: str, form: str, inner: str) -> None:
    secret = f"Pa{inner}sS"
    with mock.patch.dict(os.environ, {f"PLUMBLINE_{name}": form.replace("{}", secret)}):
        try:
            settings = Settings.read()
        except PlumblineError as error:
            output = f"{error!r} {error} {error.__cause__!r}"
        else:
            output = f"{settings!r} {settings.masked()} {settings.model_dump_json()}"
    assert secret not in output


def test_urls_from_secret_files_are_normalised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLUMBLINE_BROKER_URL", "'REDIS://:pass@host?db=2'\r\n")
    monkeypatch.setenv("PLUMBLINE_DATABASE_URL", ' "postgresql://host/name"\n')
    assert Settings.read().server_urls == ("postgresql://host/name", "redis://:pass@host:6379/2")
    monkeypatch.setenv("PLUMBLINE_BROKER_URL", "\n")
    assert Settings.read().broker_url is None


def test_an_invalid_broker_url_is_refused_before_anything_uses_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PLUMBLINE_BROKER_URL", "redis://:hunter2")
    with pytest.raises(BrokerUrlInvalid, match=r"^The broker URL has no valid port"):
        Settings.read()
