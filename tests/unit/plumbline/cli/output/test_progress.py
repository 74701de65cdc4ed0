import io
import re

import pytest
from rich.console import Console

from plumbline.cli.output.progress import TerminalReporter, progress_bar


class ClosedTerminal(io.StringIO):
    """Fails like a terminal whose window was closed."""

    def write(self, text: str) -> int:
        raise OSError(5, "Input/output error")


def lines(console_file: io.StringIO) -> list[str]:
    return [re.sub(r"\d+\.\d s", "N s", line) for line in console_file.getvalue().splitlines()]


def test_each_finished_step_has_a_line_and_a_cancelled_one_has_none() -> None:
    file = io.StringIO()
    reporter = TerminalReporter(Console(file=file))
    reporter.step("Start Redis")
    reporter.step("Start [worker]")
    reporter.note("The folder [tmp] is new.")
    reporter.done()
    reporter.step("Start beat")
    reporter.cancel()
    reporter.done()
    assert lines(file) == [
        "✓ Start Redis N s",
        "• The folder [tmp] is new.",
        "✓ Start [worker] N s",
    ]


def test_terminal_that_has_gone_away_is_ignored() -> None:
    reporter = TerminalReporter(Console(file=ClosedTerminal(), force_terminal=True))
    reporter.step("Stop the workers")
    reporter.note("A worker does not respond.")
    reporter.done()


def test_bar_prints_nothing_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar() as bar:
        bar.update(bar.add_task("accepting", total=2, rate="1 text/s"), advance=2)
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "")
