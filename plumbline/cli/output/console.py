"""What every command prints with: a console for its output, and one for progress and notices."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from rich import box
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from plumbline.cli.output.broken_pipe import exit_after_broken_pipe
from plumbline_client.visible import one_line, visible_lines


class VisibleConsole(Console):
    """Prints strings literally, each on one line, without Rich's markup.

    A `Text` may have several lines, so whoever makes it filters the values in it. Whatever else is
    not visible is escaped here, after Rich has computed the widths of columns.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, markup=False, emoji=False, highlight=False)

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(one_line(text), **options)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            # Only Rich itself makes control segments.
            visible = segment.control or _is_visible(segment.text)
            yield segment if visible else Segment(visible_lines(segment.text), segment.style)


class OutputConsole(VisibleConsole):
    """Prints a command's output. A reader that closes the pipe early is not an error."""

    def on_broken_pipe(self) -> None:
        exit_after_broken_pipe()


out = OutputConsole()
# Progress and notices go to standard error, so that the output can be piped.
err = VisibleConsole(stderr=True)

LONGEST_CELL = 60
# Spaces of typography, such as those between Japanese sentences and before French colons.
SPACES = re.compile("[\xa0\u1680\u2000-\u200a\u202f\u205f\u3000]")
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
    """Return text from outside on one line, shortened; see `plumbline_client.visible`."""
    if text is None:
        return Text()
    shortened = text if len(text) <= longest else text[: longest - 1] + "…"
    return Text(one_line(SPACES.sub(" ", shortened)))


def colored_text(word: str | None) -> Text:
    """Return a state, decision or verdict in its color, which is the same in every table."""
    return Text(one_line(word or ""), style=COLORS.get(word or "", ""))


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


def _is_visible(text: str) -> bool:
    return text.isascii() and text.replace("\n", "").isprintable()
