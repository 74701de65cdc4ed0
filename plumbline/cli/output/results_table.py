"""The table of results that `plumbline results` and `plumbline submit --wait` print."""

from __future__ import annotations

from collections.abc import Iterable

from rich.table import Table
from rich.text import Text

from plumbline.cli.output.console import (
    COLORS,
    colored_text,
    column_table,
    format_short_time,
    printable_text,
)
from plumbline_client.results import Result
from plumbline_client.review import UNREAD_REASONS
from plumbline_client.visible import one_line
from scoring.score import Decision


def results_table(results: Iterable[Result]) -> Table:
    table = column_table("job", "sent", "source", "state", "label", "conf.", "text or reason")
    for column in table.columns[:-1]:
        column.no_wrap = True
    for result in results:
        text = printable_text(result.text)
        text.no_wrap, text.overflow = True, "ellipsis"
        table.add_row(
            str(result.job_id)[:8],
            format_short_time(result.created_at),
            printable_text(result.source, 16),
            colored_text(result.state),
            label_text(result),
            "" if result.confidence is None else f"{result.confidence:.0%}",
            printable_text(result.error, 200) if result.error else text,
        )
    return table


def label_text(result: Result) -> Text:
    """Return the label in its decision's color, or `review` if the label is not to be trusted."""
    if result.decision == Decision.REVIEW:
        unread = "" if UNREAD_REASONS.keys().isdisjoint(result.notes) else ", unread"
        return Text.assemble(colored_text(result.decision), f" ({result.label}{unread})")
    return Text(one_line(result.label or ""), style=COLORS.get(result.decision or "", ""))
