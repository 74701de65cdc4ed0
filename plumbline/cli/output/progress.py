"""Progress on standard error: the steps of `plumbline up`, and bars for long operations."""

from __future__ import annotations

import time
from contextlib import suppress

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.status import Status
from rich.text import Text

from plumbline.cli.output.console import err
from plumbline_client.visible import one_line


def progress_bar() -> Progress:
    """Return a bar whose tasks have a field `rate`. Without a terminal it prints nothing."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[rate]}", markup=False),
        TimeElapsedColumn(),
        console=err,
        transient=True,
        disable=not err.is_terminal,
    )


class TerminalReporter:
    """A `plumbline.embedded.stack.ProgressReporter` for a terminal, with a spinner for each step.

    It ignores a terminal that has gone away, because the shutdown must continue without it.
    """

    def __init__(self, console: Console = err) -> None:
        self._console = console
        self._name: str | None = None
        self._started = 0.0
        self._spinner: Status | None = None

    def step(self, name: str) -> None:
        self.done()
        self._name, self._started = name, time.monotonic()
        with suppress(OSError):
            self._spinner = self._console.status(Text(f"{one_line(name)} ..."))
            self._spinner.start()

    def done(self) -> None:
        self._stop_spinner()
        if self._name is not None:
            took_s = time.monotonic() - self._started
            mark, took = Text("✓", style="green"), Text(f"{took_s:.1f} s", style="dim")
            self._print(Text.assemble(mark, f" {one_line(self._name)} ", took))
            self._name = None

    def cancel(self) -> None:
        """Drop the current step without a line for it."""
        self._stop_spinner()
        self._name = None

    def note(self, sentence: str) -> None:
        self._print(Text.assemble(Text("•", style="yellow"), f" {one_line(sentence)}"))

    def _stop_spinner(self) -> None:
        if self._spinner is not None:
            with suppress(OSError):
                self._spinner.stop()
            self._spinner = None

    def _print(self, line: Text) -> None:
        with suppress(OSError):
            self._console.print(line, soft_wrap=True)
