"""`plumbline alerts`: what is wrong now, and what was lately."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from plumbline.cli.database import database
from plumbline.cli.output.console import Json, clock, columns, out, print_json, shown
from plumbline.settings import Settings

if TYPE_CHECKING:
    from storage.tables import Alert

STYLES = {"critical": "red", "warning": "yellow"}


def alerts(
    limit: Annotated[int, typer.Option(min=0, help="At most so many that are over.")] = 10,
    as_json: Json = False,
) -> None:
    """List the open alerts, then those that were over last."""
    with database(Settings.read()) as engine, engine.connect() as connection:
        from storage.reports import alerts

        firing, over = alerts.firing(connection), alerts.resolved(connection, limit)
    if as_json:
        print_json({"firing": rows_of(firing), "resolved": rows_of(over)})
        return
    if not firing:
        out.print("No alert is open.")
    if firing or over:
        out.print(table_of([*firing, *over]))


def table_of(found: Sequence[Alert]) -> Table:
    table = columns("since", "until", "rule", "", "what")
    for column in table.columns[:3]:
        column.no_wrap = True
    for alert in found:
        over = alert.resolved_at is not None
        table.add_row(
            clock(alert.raised_at),
            "" if alert.resolved_at is None else clock(alert.resolved_at),
            alert.rule,
            Text(alert.severity, style="dim" if over else STYLES.get(alert.severity, "")),
            shown(alert.message, 300),
        )
    return table


def rows_of(found: Sequence[Alert]) -> list[dict[str, Any]]:
    return [
        {column.key: getattr(alert, column.key) for column in alert.__table__.columns}
        for alert in found
    ]
