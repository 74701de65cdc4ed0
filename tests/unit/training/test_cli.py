import errno
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer

from training.cli import print_json, run_app
from training.errors import DataInvalid


@dataclass
class Outcome:
    model: str
    folder: Path


def run(error: BaseException | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a command that raises `error`, or succeeds if there is none."""
    app = typer.Typer()

    @app.command()
    def command() -> None:
        if error is not None:
            raise error

    monkeypatch.setattr(sys, "argv", ["training"])
    run_app(app)


def test_known_error_is_printed_as_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        run(DataInvalid("a.csv has no column 'text'."), monkeypatch)
    printed = capsys.readouterr()
    assert ended.value.code == 1
    assert (printed.out, printed.err) == ("", "a.csv has no column 'text'.\n")


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "runs/x"), "runs/x cannot be used: No"),
        (MemoryError(), "The memory is exhausted; "),
        (ZeroDivisionError("1/0"), "An unexpected ZeroDivisionError in test_cli.py, line "),
    ],
)
def test_unknown_error_is_printed_as_one_sentence(
    error: Exception,
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        run(error, monkeypatch)
    printed = capsys.readouterr().err
    assert ended.value.code == 1
    assert printed.startswith(sentence) and printed.count("\n") == 1


@pytest.mark.parametrize(("error", "status"), [(None, 0), (KeyboardInterrupt(), 130)])
def test_success_and_interrupt_have_their_exit_status(
    error: BaseException | None, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SystemExit) as ended:
        run(error, monkeypatch)
    assert ended.value.code == status


def test_result_is_one_line_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    print_json(Outcome("toy/1.0.0", Path("models") / "toy"))
    printed = capsys.readouterr().out
    assert printed.count("\n") == 1
    assert json.loads(printed) == {"model": "toy/1.0.0", "folder": "models/toy"}
    print_json(Outcome("toy/1.0.0", Path("models")), {"rows": {"contradictory": 2}})
    assert json.loads(capsys.readouterr().out)["rows"] == {"contradictory": 2}
