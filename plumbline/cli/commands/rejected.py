"""`plumbline rejected`: the messages, and texts of messages, that ended without a job."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from plumbline.cli.database import database
from plumbline.cli.json_option import JsonOption
from plumbline.cli.output.console import column_table, format_short_time, out, printable_text
from plumbline.cli.output.json_output import print_json
from plumbline.services import connected
from plumbline.settings import Settings
from storage import rejected_messages
from storage.rejected_messages import ListedRejection

app = typer.Typer(no_args_is_help=True, help="List rejected messages.")


@app.callback()
def group() -> None:
    """List rejected messages."""


@app.command("list")
def list_rejected(
    source: Annotated[
        str | None, typer.Option(help="Only of this source, as far as it is known.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of rows.")] = 100,
    as_json: JsonOption = False,
) -> None:
    """List rejected messages, and texts of messages, with the reasons, newest first."""
    with database(connected(Settings.read())) as engine, engine.connect() as connection:
        rows = rejected_messages.list_rejected(connection, source, limit)
    if as_json:
        print_json({"rejected": [asdict(row) for row in rows]})
    elif rows:
        out.print(rejections_table(rows))
    else:
        out.print("No message was rejected.")


def rejections_table(rows: list[ListedRejection]) -> Table:
    table = column_table("rejected", "message", "queue", "source", "text", "reason")
    for row in rows:
        table.add_row(
            format_short_time(row.rejected_at) if row.rejected_at is not None else "",
            printable_text(row.message_id, 40),
            printable_text(row.queue, 40),
            printable_text(row.source, 40),
            text_in_message(row),
            printable_text(row.reason, 300),
        )
    return table


def text_in_message(row: ListedRejection) -> str:
    """Return which text of the message was rejected, counted from 1."""
    return "all" if row.position is None else f"number {row.position + 1:,}"
