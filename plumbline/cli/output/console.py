"""What every command prints with: one console for answers, one for what happens meanwhile."""

from __future__ import annotations

import json
import os
import sys
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, NoReturn

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text


class Answers(Console):
    """Where answers go. Whoever reads them, `head` for one, may have read enough: no error."""

    def on_broken_pipe(self) -> None:
        end_quietly()


def end_quietly() -> NoReturn:
    """End well; what is still buffered for the reader that left goes nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    raise SystemExit(0)


out = Answers(highlight=False)
# Progress and notices go to standard error, so that an answer can be piped.
err = Console(stderr=True, highlight=False)

Json = Annotated[bool, typer.Option("--json", help="JSON for programs instead of a table.")]

LONGEST_CELL = 60
# They turn the reading direction round, so that a text could look like another.
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


def print_json(value: Mapping[str, Any]) -> None:
    """One JSON object; what JSON does not know is written as its string."""
    sys.stdout.write(json.dumps(value, default=as_json_value, ensure_ascii=False) + "\n")


def print_jsonl(values: Iterable[Mapping[str, Any]]) -> None:
    """One JSON object a line."""
    for value in values:
        print_json(value)


def as_json_value(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def shown(text: str | None, longest: int = LONGEST_CELL) -> Text:
    """Somebody's text on one line: shortened, and nothing in it commands the terminal."""
    if text is None:
        return Text()
    shortened = text if len(text) <= longest else text[: longest - 1] + "…"
    return Text("".join(_visible(character) for character in shortened))


def colored(word: str | None) -> Text:
    """A state, decision or verdict in the color it has everywhere."""
    return Text(word or "", style=COLORS.get(word or "", ""))


def when(moment: datetime | None) -> str:
    """A moment in the local time of whoever reads it, to the second."""
    return "" if moment is None else f"{moment.astimezone():%Y-%m-%d %H:%M:%S}"


def clock(moment: datetime, now: datetime | None = None) -> str:
    """A moment for a narrow column: the time if it is of today, else the date."""
    local, today = moment.astimezone(), (now or datetime.now(UTC)).astimezone().date()
    return f"{local:%H:%M:%S}" if local.date() == today else f"{local:%Y-%m-%d}"


def number(value: float | None, digits: int = 3) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def percent(share: float) -> str:
    """A share of all, as precise as it was given."""
    return f"{100 * share:.6g}%"


def columns(*names: str) -> Table:
    """A table of many rows, narrow enough for a narrow terminal."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in names:
        table.add_column(name)
    return table


def counted(counts: Mapping[str, int], notes: Mapping[str, str]) -> Table:
    """What became of a file's rows; of what there was none of, only `accepted` has a line."""
    table = Table("", "", "", box=None, show_header=False, pad_edge=False)
    table.columns[1].justify = "right"
    for name, note in notes.items():
        if counts[name] or name == "accepted":
            table.add_row(name, f"{counts[name]:,}", note)
    return table


def facts(title: str) -> Table:
    """A table of names and values about one thing."""
    table = Table(title=title, title_justify="left", show_header=False, box=box.ROUNDED)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    return table


def _visible(character: str) -> str:
    if unicodedata.category(character) in ("Cc", "Cs") or character in DIRECTION_MARKS:
        return character.encode("unicode_escape").decode("ascii")
    return character
