"""What every command prints with: a console for its output, and one for progress and notices."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from plumbline.cli.output.broken_pipe import exit_after_broken_pipe


class OutputConsole(Console):
    """Prints a command's output. A reader that closes the pipe early is not an error."""

    def on_broken_pipe(self) -> None:
        exit_after_broken_pipe()


out = OutputConsole(highlight=False)
# Progress and notices go to standard error, so that the output can be piped.
err = Console(stderr=True, highlight=False)

LONGEST_CELL = 60
# These characters reverse the reading direction, so that a text could pass for another one.
DIRECTION_MARKS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
COLORS = {
    "scored": "green",
    "queued": "yellow",
    "leased": "yellow",
    "expired": "red",
    "quarantined": "red",
    "cancelled": "red",
    "rejected": "red",
    "positive": "magenta",
    "negative": "cyan",
    "review": "yellow",
    "stable": "green",
    "drift": "red",
    "too_little_data": "yellow",
    "failed": "red",
}


def printable_text(text: str | None, longest: int = LONGEST_CELL) -> Text:
    """Return a submitted text on one line, shortened, with its control characters escaped."""
    if text is None:
        return Text()
    shortened = text if len(text) <= longest else text[: longest - 1] + "…"
    return Text("".join(_escape_control(character) for character in shortened))


def colored_text(word: str | None) -> Text:
    """Return a state, decision or verdict in its color, which is the same in every table."""
    return Text(word or "", style=COLORS.get(word or "", ""))


def format_time(moment: datetime | None) -> str:
    """Return the local time, to the second."""
    return "" if moment is None else f"{moment.astimezone():%Y-%m-%d %H:%M:%S}"


def format_short_time(moment: datetime, now: datetime | None = None) -> str:
    """Return, for a narrow column, the local time if it is today, else the date."""
    local, today = moment.astimezone(), (now or datetime.now(UTC)).astimezone().date()
    return f"{local:%H:%M:%S}" if local.date() == today else f"{local:%Y-%m-%d}"


def format_number(value: float | None, digits: int = 3) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def format_percent(share: float) -> str:
    """Return a share (0 to 1) in percent, with its own precision."""
    return f"{100 * share:.6g}%"


def column_table(*names: str) -> Table:
    """Return a table for many rows, narrow enough for a narrow terminal."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in names:
        table.add_column(name)
    return table


def count_table(counts: Mapping[str, int], notes: Mapping[str, str]) -> Table:
    """Return a table of outcomes and their counts; a count of 0 is left out, except `accepted`."""
    table = Table("", "", "", box=None, show_header=False, pad_edge=False)
    table.columns[1].justify = "right"
    for name, note in notes.items():
        if counts[name] or name == "accepted":
            table.add_row(name, f"{counts[name]:,}", note)
    return table


def property_table(title: str) -> Table:
    """Return a table of names and values that describe one thing."""
    table = Table(title=title, title_justify="left", show_header=False, box=box.ROUNDED)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    return table


def _escape_control(character: str) -> str:
    if unicodedata.category(character) in ("Cc", "Cs") or character in DIRECTION_MARKS:
        return character.encode("unicode_escape").decode("ascii")
    return character
