import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from plumbline.cli import app as module
from plumbline.version import __version__

HEAVY = ("celery", "kombu", "sqlalchemy", "psycopg", "numpy", "plotext", "tokenizers", "alembic")


def test_help_waits_for_no_library() -> None:
    script = "import json, sys, plumbline.cli.app; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    loaded = set(json.loads(done.stdout))
    assert not loaded.intersection(HEAVY)


def test_every_command_has_a_line_of_help() -> None:
    printed = CliRunner().invoke(module.app, ["--help"]).output
    names = (
        "up", "demo", "submit", "results", "show", "score", "status", "label", "drift", "models",
        "retrain", "db", "settings",
    )  # fmt: skip
    lines = printed.splitlines()
    for name in names:
        assert any(line.split()[1:2] == [name] and len(line.split()) > 4 for line in lines), name


def test_the_version_is_printed() -> None:
    assert CliRunner().invoke(module.app, ["--version"]).output == f"{__version__}\n"


def test_settings_are_shown_with_secrets_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLUMBLINE_DATABASE_URL", "postgresql://me:hunter2@host/db")
    for arguments in (["settings"], ["settings", "--json"]):
        printed = CliRunner().invoke(module.app, arguments).output
        assert "PLUMBLINE_DATABASE_URL" in printed
        assert "hunter2" not in printed


def test_a_wrong_setting_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PLUMBLINE_MESSAGE_SIZE", "many")
    monkeypatch.setattr(sys, "argv", ["plumbline", "settings", "--json"])
    with pytest.raises(SystemExit) as ended:
        module.main()
    printed = capsys.readouterr()
    assert ended.value.code == 1
    assert printed.out == ""
    assert printed.err.startswith("PLUMBLINE_MESSAGE_SIZE is not usable: ")
    assert printed.err.count("\n") == 1
