import sys
from pathlib import Path

import pytest

from plumbline.cli.commands.up import command_name, relative_path


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
