"""`plumbline alerts`: open alerts and recently resolved ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text
from sqlalchemy import Row

from plumbline.cli.database import database
from plumbline.cli.json_option import JsonOption
from plumbline.cli.output.console import (
    column_table,
    format_short_time,
    out,
    printable_text,
)
from plumbline.cli.output.json_output import print_json
from plumbline.cli.output.rows import row_values
from plumbline.services import connected
from plumbline.settings import Settings
from storage.reports.alerts import open_alerts, resolved_alerts

STYLES = {"critical": "red", "warning": "yellow"}


def alerts(
    limit: Annotated[int, typer.Option(min=0, help="Maximum number of resolved alerts.")] = 10,
    as_json: JsonOption = False,
) -> None:
    """List the open alerts, then the most recently resolved ones."""
    with database(connected(Settings.read())) as engine, engine.connect() as connection:
        firing = open_alerts(connection)
        resolved = resolved_alerts(connection, limit)
    if as_json:
        lists = {"firing": firing, "resolved": resolved}
        print_json({name: [row_values(row) for row in rows] for name, rows in lists.items()})
        return
    if not firing:
        out.print("No alert is open.")
    if firing or resolved:
        out.print(alerts_table([*firing, *resolved]))


def alerts_table(alerts: Sequence[Row[Any]]) -> Table:
    table = column_table("since", "until", "rule", "", "message")
    for column in table.columns[:3]:
        column.no_wrap = True
    for alert in alerts:
        style = STYLES.get(alert.severity, "") if alert.resolved_at is None else "dim"
        table.add_row(
            format_short_time(alert.raised_at),
            "" if alert.resolved_at is None else format_short_time(alert.resolved_at),
            alert.rule,
            Text(alert.severity, style=style),
            printable_text(alert.message, 300),
        )
    return table
