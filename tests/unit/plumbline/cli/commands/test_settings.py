import json

import pytest
from typer.testing import CliRunner

from plumbline.cli.command_group import app
from plumbline.settings import Settings


def test_secrets_among_the_settings_are_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLUMBLINE_DATABASE_URL", "postgresql://me:hunter2@host/db")
    for arguments in (["settings"], ["settings", "--json"]):
        printed = CliRunner().invoke(app, arguments).output
        assert "PLUMBLINE_DATABASE_URL" in printed
        assert "hunter2" not in printed


def test_every_setting_is_listed_with_its_value_and_purpose(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PLUMBLINE_MESSAGE_SIZE", "3")
    monkeypatch.delenv("PLUMBLINE_MODEL", raising=False)
    rows = {
        row["variable"]: row
        for row in json.loads(CliRunner().invoke(app, ["settings", "--json"]).output)["settings"]
    }
    assert set(rows) == {f"PLUMBLINE_{name.upper()}" for name in Settings.model_fields}
    assert all(row["doc"] for row in rows.values())
    changed, unchanged = rows["PLUMBLINE_MESSAGE_SIZE"], rows["PLUMBLINE_MODEL"]
    assert (changed["value"], changed["is_default"]) == ("3", False)
    assert (unchanged["value"], unchanged["is_default"]) == (
        Settings.model_fields["model"].default,
        True,
    )
