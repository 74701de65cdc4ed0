"""`plumbline status`: jobs, queue, workers and serving versions, even if a server is down."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, NoReturn

import typer
from rich.live import Live
from rich.table import Table
from rich.text import Text

from plumbline.broker import queue_depth
from plumbline.cli.database import database
from plumbline.cli.json_option import JsonOption
from plumbline.cli.output.console import (
    colored_text,
    format_percent,
    out,
    property_table,
)
from plumbline.cli.output.drift_overview import alerts_text, drift_text
from plumbline.cli.output.json_output import print_json
from plumbline.cli.output.rows import row_values
from plumbline.health import running_workers
from plumbline.redis_users import MONITOR
from plumbline.services import connected
from plumbline.settings import Settings
from plumbline_client.errors import BrokerUnavailable, StorageError
from plumbline_client.services import Services
from plumbline_client.visible import one_line
from storage.reports.status import Status, snapshot
from storage.sources import listed_sources

MINUTE_S = 60.0
LEDGER_KEYS = (
    "counts",
    "oldest_queued_s",
    "scored_last_minute",
    "rejected_messages_last_day",
    "live_model",
    "shadow_model",
    "canary_model",
    "canary_share",
)
# Names of the worst current verdict's fields in the document.
DRIFT_KEYS = {
    "drift_verdict": "verdict",
    "drift_at": "created_at",
    "drift_model": "model",
    "drift_source": "source",
    "drift_report": "id",
    "drift_summary": "summary",
}


@dataclass(frozen=True, slots=True)
class SystemStatus:
    """`ledger` or `queued_messages` is None if PostgreSQL or Redis is unavailable."""

    ledger: Status | None
    ledger_error: str | None
    queued_messages: int | None
    workers: list[str]
    broker_error: str | None

    @property
    def available(self) -> bool:
        return self.ledger_error is None and self.broker_error is None


def status(
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Refresh until Ctrl-C.")] = False,
    every: Annotated[
        float, typer.Option(min=0.2, help="Seconds between two refreshes of --watch.")
    ] = 2.0,
    as_json: JsonOption = False,
) -> None:
    """Show queue, workers and serving versions. Exit 1 if PostgreSQL or Redis is down."""
    settings = Settings.read()
    services = connected(settings, MONITOR)

    def read() -> SystemStatus:
        return read_status(services, settings.drift_valid_s)

    if watch:
        watch_status(read, every, as_json)
    current = read()
    print_status(current, as_json)
    if not current.available:
        raise typer.Exit(1)


def watch_status(read: Callable[[], SystemStatus], every_s: float, as_json: bool) -> NoReturn:
    """Print the status until Ctrl-C or until the reader of the output has gone.

    A terminal shows one table that changes. A pipe or a file receives every refresh.
    """
    if out.is_terminal and not as_json:
        with Live(status_table(read()), console=out, auto_refresh=False) as live:
            while True:
                time.sleep(every_s)
                live.update(status_table(read()), refresh=True)
    while True:
        print_status(read(), as_json)
        out.file.flush()
        time.sleep(every_s)


def print_status(current: SystemStatus, as_json: bool) -> None:
    if as_json:
        print_json(status_document(current))
    else:
        out.print(status_table(current))


def read_status(services: Services, drift_valid_s: float) -> SystemStatus:
    """Query PostgreSQL and Redis; either may be unavailable."""
    ledger = ledger_error = depth = broker_error = None
    workers: list[str] = []
    bound: list[str] = []
    try:
        with database(services) as engine, engine.connect() as connection:
            bound = listed_sources(connection)
            ledger = snapshot(connection, drift_valid_s)
    except StorageError as error:
        ledger_error = str(error)
    try:
        depth = queue_depth(services.broker_url, bound=bound)
        workers = running_workers(services.broker_url)
    except BrokerUnavailable as error:
        broker_error = str(error)
    return SystemStatus(ledger, ledger_error, depth, workers, broker_error)


def status_document(current: SystemStatus) -> dict[str, Any]:
    """Return the same keys in every case; the value of what is unknown is null."""
    ledger = current.ledger
    return {
        "ok": current.available,
        **{key: getattr(ledger, key, None) for key in LEDGER_KEYS},
        "estimated_counts": None if ledger is None else sorted(ledger.estimated),
        **drift_document(ledger),
        "open_alerts": None if ledger is None else [row_values(a) for a in ledger.open_alerts],
        "queued_messages": current.queued_messages,
        "workers": current.workers,
        "database_error": current.ledger_error,
        "broker_error": current.broker_error,
    }


def drift_document(ledger: Status | None) -> dict[str, Any]:
    """Return the worst current verdict; every value is null if there is none."""
    worst = ledger.drift[0] if ledger is not None and ledger.drift else None
    return {key: worst and getattr(worst, name) for key, name in DRIFT_KEYS.items()}


def status_table(current: SystemStatus) -> Table:
    table = property_table("plumbline")
    if current.ledger is None:
        table.add_row("ledger", Text(one_line(current.ledger_error or ""), style="red"))
    else:
        add_ledger_rows(table, current.ledger)
    if current.broker_error is not None:
        table.add_row("queue", Text(one_line(current.broker_error), style="red"))
    else:
        table.add_row("queue", f"{current.queued_messages:,} messages")
        table.add_row("workers", workers_text(current.workers))
    return table


def add_ledger_rows(table: Table, ledger: Status) -> None:
    counts = Text(", ").join(
        Text.assemble(
            "about " if state in ledger.estimated else "",
            f"{count:,} ",
            colored_text(state),
        )
        for state, count in sorted(ledger.counts.items())
    )
    table.add_row("jobs", counts if ledger.counts else "none yet")
    if ledger.oldest_queued_s is not None:
        table.add_row("oldest queued", format_age(ledger.oldest_queued_s))
    per_minute = ledger.scored_last_minute
    table.add_row("scored", f"{per_minute:,} in the last minute, {per_minute / MINUTE_S:,.1f}/s")
    if ledger.rejected_messages_last_day:
        count = f"{ledger.rejected_messages_last_day:,} in the last day"
        table.add_row("rejected messages", f"{count}; see `plumbline rejected list`")
    table.add_row("live model", ledger.live_model or "none yet; the first worker to start sets it")
    if ledger.shadow_model is not None:
        table.add_row("shadow", ledger.shadow_model)
    if ledger.canary_model is not None and ledger.canary_share is not None:
        share = format_percent(ledger.canary_share)
        table.add_row("canary", f"{ledger.canary_model}, {share} of jobs")
    reported = ledger.drift_reported_at is not None
    table.add_row("drift", drift_text(ledger.drift, ledger.live_model, reported))
    table.add_row("alerts", alerts_text(ledger.open_alerts))


def workers_text(workers: list[str]) -> Text:
    if not workers:
        return Text("none runs; start one with `plumbline up`", style="yellow")
    return Text("\n".join(map(one_line, workers)))


def format_age(age_s: float) -> str:
    for unit, unit_s in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if age_s >= unit_s:
            return f"{age_s / unit_s:.1f} {unit}"
    return f"{age_s:.1f} s"
