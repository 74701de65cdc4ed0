import json
import os
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from plumbline.cli import app as module
from plumbline.version import __version__

# Libraries that `plumbline --help` and `plumbline --version` do without.
HEAVY = {
    "alembic", "celery", "kombu", "numpy", "plotext", "psycopg", "pydantic", "redis", "sqlalchemy",
    "tokenizers",
}  # fmt: skip
# Prints the imported modules at exit, whatever the exit code of the command.
SCRIPT = """
import atexit, json, sys
atexit.register(lambda: print(json.dumps(sorted(sys.modules)), file=sys.stderr))
from plumbline.cli.app import main
sys.argv = ["plumbline", *sys.argv[1:]]
main()
"""


NOWHERE = {
    "PLUMBLINE_DATABASE_URL": "postgresql://127.0.0.1:1/x",
    "PLUMBLINE_BROKER_URL": "redis://127.0.0.1:1/0",
}


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments],
        capture_output=True,
        text=True,
        env=os.environ | NOWHERE,
        check=False,
    )


def imported(done: subprocess.CompletedProcess[str]) -> set[str]:
    modules: set[str] = set(json.loads(done.stderr.splitlines()[-1]))
    return modules


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_import_no_command_and_no_heavy_library(option: str) -> None:
    done = run(option)
    assert done.returncode == 0
    modules = imported(done)
    assert not modules & HEAVY
    assert not [name for name in modules if name.startswith("plumbline.cli.commands.")]
    assert ("rich" in modules) is (option == "--help")


def test_only_the_module_of_the_command_is_imported() -> None:
    modules = imported(run("settings", "--json"))
    commands = {name for name in modules if name.startswith("plumbline.cli.commands.")}
    assert commands == {"plumbline.cli.commands.settings"}
    assert not modules & {"celery", "psycopg", "redis", "sqlalchemy"}


def test_health_of_this_machine_imports_neither_sqlalchemy_nor_celery() -> None:
    done = run("health", "--here")
    assert done.returncode == 3 and "cannot be reached" in done.stdout
    assert not imported(done) & {
        "celery",
        "kombu",
        "psycopg",
        "pydantic_settings",
        "rich",
        "sqlalchemy",
    }


@pytest.mark.parametrize("name", module.COMMANDS)
def test_line_of_help_is_the_first_line_of_the_commands_own_help(name: str) -> None:
    command = module.COMMANDS[name]
    loaded = command.load(name)
    assert loaded.name == name
    assert command.help == loaded.help.splitlines()[0]


def test_help_lists_every_command_with_its_line() -> None:
    lines = CliRunner().invoke(module.app, ["--help"]).output.splitlines()
    for name in module.COMMANDS:
        assert any(line.split()[1:2] == [name] and len(line.split()) > 4 for line in lines), name


def test_group_lists_its_own_commands() -> None:
    printed = CliRunner().invoke(module.app, ["quarantine", "--help"])
    assert printed.exit_code == 0
    assert all(name in printed.output for name in ("list", "replay", "discard"))


def test_unknown_command_is_a_usage_error_with_a_suggestion() -> None:
    printed = CliRunner().invoke(module.app, ["statsu"])
    assert printed.exit_code == 2
    assert "No such command 'statsu'. Did you mean 'status'?" in printed.output
    assert CliRunner().invoke(module.app, ["quarantine", "nonsense"]).exit_code == 2


def test_command_without_arguments_prints_the_help() -> None:
    printed = CliRunner().invoke(module.app, [])
    assert printed.exit_code == 2
    assert "Usage: " in printed.output and "quarantine" in printed.output


def test_version_is_printed() -> None:
    assert CliRunner().invoke(module.app, ["--version"]).output == f"{__version__}\n"


def test_invalid_setting_is_reported_in_one_sentence(
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
