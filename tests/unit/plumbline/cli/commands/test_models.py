import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from plumbline.cli.commands.models import app, deployed_version, format_roles, history_line
from plumbline.errors import FileUnwritable
from storage.serving.deployments import DeploymentRecord, Serving


@pytest.fixture(autouse=True)
def models_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PLUMBLINE_MODELS_DIR", str(tmp_path / "models"))
    monkeypatch.setenv("PLUMBLINE_STATE_DIR", str(tmp_path / "state"))
    return tmp_path / "models"


def printed(*arguments: str) -> str:
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def json_of(*arguments: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(printed(*arguments, "--json"))
    return document


def test_roles_of_a_version_are_listed() -> None:
    serving = Serving("m/1.0.0", "m/1.1.0", "m/1.1.0", 0.05)
    roles = [format_roles(f"m/1.{minor}.0", serving) for minor in range(3)]
    assert roles == ["live", "shadow, canary 5%", ""]
    assert format_roles("m/1.0.0", None) == ""


@pytest.mark.parametrize(
    ("action", "forced", "line", "version"),
    [
        ("promote", True, "Promoted {} by ann despite its gates: why", "live/1.0.0"),
        ("rollback", False, "Returned to {} by ann: why", "live/1.0.0"),
        ("shadow", False, "Shadow {} by ann: why", "shadow/1.0.0"),
        ("canary", False, "Canary for 25% of jobs {} by ann: why", "canary/1.0.0"),
    ],
)
def test_history_line_describes_the_change_and_its_version(
    action: str, forced: bool, line: str, version: str
) -> None:
    at = datetime(2026, 3, 1, 12, tzinfo=UTC)
    entry = DeploymentRecord(
        "live/1.0.0", "ann", "why", at, forced, action, "shadow/1.0.0", "canary/1.0.0", 0.25
    )
    assert history_line(entry) == line.format(f"{at.astimezone():%Y-%m-%d %H:%M:%S}")
    assert deployed_version(entry) == version


def test_shipped_model_is_installed_once(models_dir: Path) -> None:
    assert "`plumbline models install-shipped` installs the shipped one" in printed("verify")
    target = models_dir / "sms-spam" / "1.0.0"
    assert json_of("install-shipped") == {"model": "sms-spam/1.0.0", "folder": str(target)}
    assert json_of("verify")["models"] == [{"model": "sms-spam/1.0.0", "ok": True, "error": None}]
    with pytest.raises(FileUnwritable, match="exists already"):
        printed("install-shipped")


def test_path_of_the_installed_model_is_printed(models_dir: Path) -> None:
    path = models_dir / "sms-spam" / "1.0.0"
    assert printed("install-shipped") == f"Installed sms-spam/1.0.0 in {path}.\n"
