import os
import subprocess
import sys
from pathlib import Path

import pytest

from plumbline.cli.commands.up import command_name, relative_path
from tests.paths import CHECKOUT


@pytest.fixture(autouse=True)
def working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_path_below_the_current_folder_is_relative(tmp_path: Path) -> None:
    assert relative_path(tmp_path / "a" / "b") == "a/b"
    assert relative_path(Path("a")) == "a"
    assert relative_path(tmp_path.parent / "other") == str(tmp_path.parent / "other")


def test_command_is_named_by_its_path_unless_it_is_on_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = tmp_path / "a folder" / "plumbline"
    command.parent.mkdir()
    command.touch(mode=0o755)
    monkeypatch.setattr(sys, "argv", [str(command)])
    monkeypatch.setenv("PATH", "/nowhere")
    assert command_name() == "'a folder/plumbline'"
    monkeypatch.setenv("PATH", str(command.parent))
    assert command_name() == "plumbline"


def test_path_in_a_deleted_folder_stays_as_it_is(working_folder: Path) -> None:
    working_folder.rmdir()
    assert relative_path(Path("a")) == "a"


# Prints the addresses of a system that is not there, as a running `up` does.
PRINT_ADDRESSES = """
from pathlib import Path
from types import SimpleNamespace
from plumbline.cli.commands.up import print_addresses
from plumbline.cli.output.progress import TerminalReporter
from plumbline.program import run_program
from plumbline.settings import Settings
from plumbline_client.services import Services

def command():
    services = Services("postgresql://u:hunter2@h/d", "redis://:hunter2@h/0")
    running = SimpleNamespace(
        settings=Settings(state_dir=Path("s")), services=services, live_model="m/1.0.0",
        broker_urls=dict(),
    )
    print_addresses(running, TerminalReporter(), as_json={as_json})
    print("nobody reads this")

run_program(command)
"""


@pytest.mark.parametrize("as_json", [False, True])
def test_system_runs_on_if_its_addresses_cannot_be_printed(as_json: bool) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-c", PRINT_ADDRESSES.format(as_json=as_json)],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(CHECKOUT)},
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert "Standard output cannot be written: No space left on device" in done.stderr
    assert "Everything runs; the URLs are in s/up.json." in done.stderr
    assert "hunter2" not in done.stderr
