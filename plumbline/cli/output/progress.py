"""What begins, what is done and how long it took, a line each, on standard error."""

from __future__ import annotations

import time
from contextlib import suppress

from rich.console import Console
from rich.markup import escape
from rich.status import Status

from plumbline.cli.output.console import err


class Narration:
    """A `plumbline.embedded.stack.Narrator` for a terminal: the step at work turns a spinner.

    A terminal that went away is no error: whatever is being ended must still end.
    """

    def __init__(self, console: Console = err) -> None:
        self._console = console
        self._what: str | None = None
        self._since = 0.0
        self._spinner: Status | None = None

    def step(self, what: str) -> None:
        self.done()
        self._what, self._since = what, time.monotonic()
        with suppress(OSError):
            self._spinner = self._console.status(f"{escape(what)} ...")
            self._spinner.start()

    def done(self) -> None:
        self._end_spinner()
        if self._what is not None:
            took_s = time.monotonic() - self._since
            self._print(f"[green]✓[/green] {escape(self._what)} [dim]{took_s:.1f} s[/dim]")
            self._what = None

    def stopped(self) -> None:
        """What began last, if it is not done by now, never will be; its line is not printed."""
        self._end_spinner()
        self._what = None

    def say(self, sentence: str) -> None:
        self._print(f"[yellow]•[/yellow] {escape(sentence)}")

    def _end_spinner(self) -> None:
        if self._spinner is not None:
            with suppress(OSError):
                self._spinner.stop()
            self._spinner = None

    def _print(self, line: str) -> None:
        with suppress(OSError):
            self._console.print(line, soft_wrap=True)
