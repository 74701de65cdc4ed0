"""`plumbline status`: jobs, queue, workers and serving versions, even if a server is down."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Annotated, Any, NoReturn

import typer
from rich.live import Live
from rich.table import Table
from rich.text import Text

from plumbline.broker import queue_depth
from plumbline.cli.database import database
from plumbline.cli.output.console import (
    colored_text,
    format_percent,
    format_time,
    out,
    property_table,
)
from plumbline.cli.output.json_output import JsonOption, print_json
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
    "drift_verdict",
    "drift_at",
)


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
    services = connected(Settings.read(), MONITOR)
    if watch:
        watch_status(services, every, as_json)
    current = read_status(services)
    print_status(current, as_json)
    if not current.available:
        raise typer.Exit(1)


def watch_status(services: Services, every_s: float, as_json: bool) -> NoReturn:
    """Print the status until Ctrl-C or until the reader of the output has gone.

    A terminal shows one table that changes. A pipe or a file receives every refresh.
    """
    if out.is_terminal and not as_json:
        with Live(status_table(read_status(services)), console=out, auto_refresh=False) as live:
            while True:
                time.sleep(every_s)
                live.update(status_table(read_status(services)), refresh=True)
    while True:
        print_status(read_status(services), as_json)
        out.file.flush()
        time.sleep(every_s)


def print_status(current: SystemStatus, as_json: bool) -> None:
    if as_json:
        print_json(status_document(current))
    else:
        out.print(status_table(current))


def read_status(services: Services) -> SystemStatus:
    """Query PostgreSQL and Redis; either may be unavailable."""
    ledger = ledger_error = depth = broker_error = None
    workers: list[str] = []
    bound: list[str] = []
    try:
        with database(services) as engine, engine.connect() as connection:
            bound = listed_sources(connection)
            ledger = snapshot(connection)
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
    ledger = asdict(current.ledger) if current.ledger is not None else {}
    return {
        "ok": current.available,
        **{key: ledger.get(key) for key in LEDGER_KEYS},
        "queued_messages": current.queued_messages,
        "workers": current.workers,
        "database_error": current.ledger_error,
        "broker_error": current.broker_error,
    }


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
        Text.assemble(f"{count:,} ", colored_text(state))
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
    if ledger.drift_verdict is None:
        table.add_row("last drift", "no report yet")
    else:
        verdict = colored_text(ledger.drift_verdict)
        table.add_row("last drift", Text.assemble(verdict, f", {format_time(ledger.drift_at)}"))


def workers_text(workers: list[str]) -> Text:
    if not workers:
        return Text("none runs; start one with `plumbline up`", style="yellow")
    return Text("\n".join(map(one_line, workers)))


def format_age(age_s: float) -> str:
    for unit, unit_s in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if age_s >= unit_s:
            return f"{age_s / unit_s:.1f} {unit}"
    return f"{age_s:.1f} s"
