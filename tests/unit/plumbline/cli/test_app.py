import gc
import json
import os
import subprocess
import sys

import pytest

from plumbline.cli import app as module
from plumbline.version import __version__

# Libraries that no probe imports, nor `--help` and `--version`, apart from the exceptions below.
HEAVY = {
    "alembic", "celery", "kombu", "numpy", "plotext", "psycopg", "pydantic", "pydantic_settings",
    "redis", "rich", "sqlalchemy", "tokenizers", "typer",
}  # fmt: skip
# Prints the imported modules at exit, whatever the exit code of the command.
SCRIPT = """
import atexit, json, sys
atexit.register(lambda: print(json.dumps(sorted(sys.modules)), file=sys.stderr))
from plumbline.cli.app import main
sys.argv = ["plumbline", *sys.argv[1:]]
main()
"""
# Makes a search for plugins fail.
NO_ENTRY_POINTS = "import importlib.metadata; importlib.metadata.entry_points = None"
NOWHERE = {
    "PLUMBLINE_DATABASE_URL": "postgresql://127.0.0.1:1/x",
    "PLUMBLINE_BROKER_URL": "redis://127.0.0.1:1/0",
}


def run(*arguments: str, script: str = SCRIPT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        env=os.environ | NOWHERE,
        check=False,
    )


def imported(done: subprocess.CompletedProcess[str]) -> set[str]:
    modules: set[str] = set(json.loads(done.stderr.splitlines()[-1]))
    return modules


def test_version_is_printed_without_any_library() -> None:
    done = run("--version")
    assert (done.returncode, done.stdout) == (0, f"{__version__}\n")
    assert not imported(done) & (HEAVY | {"plumbline.cli.command_group"})


def test_help_imports_no_command() -> None:
    done = run("--help")
    assert done.returncode == 0
    assert imported(done) & HEAVY == {"rich", "typer"}
    assert not [name for name in imported(done) if name.startswith("plumbline.cli.commands.")]


def test_probe_of_this_machine_imports_no_library_but_hiredis() -> None:
    done = run("health", "--here")
    assert done.returncode == 3 and "cannot be reached" in done.stdout
    assert not imported(done) & HEAVY
    assert "hiredis" in imported(done)


def test_command_does_not_look_for_plugins_of_pydantic() -> None:
    done = run("settings", "--json", script=f"{NO_ENTRY_POINTS}{SCRIPT}")
    assert done.returncode == 0
    assert "pydantic.plugin._loader" in imported(done)


def test_what_the_probe_does_not_read_is_left_to_typer() -> None:
    done = run("health", "--stalled-after", "0.5")
    assert done.returncode == 2
    assert "Usage: plumbline health" in done.stderr
    assert "typer" in imported(done)


def test_invalid_setting_is_reported_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PLUMBLINE_MESSAGE_SIZE", "many")
    monkeypatch.setenv("PYDANTIC_DISABLE_PLUGINS", "__all__")
    monkeypatch.setattr(sys, "argv", ["plumbline", "settings", "--json"])
    with pytest.raises(SystemExit) as ended:
        module.main()
    gc.unfreeze()
    printed = capsys.readouterr()
    assert ended.value.code == 1
    assert printed.out == ""
    assert printed.err.startswith("PLUMBLINE_MESSAGE_SIZE is not usable: ")
    assert printed.err.count("\n") == 1
