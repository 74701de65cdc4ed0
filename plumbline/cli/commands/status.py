"""`plumbline status`: how the whole stands, also where a part of it is down."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from plumbline.cli.database import database
from plumbline.cli.output.console import Json, colored, facts, out, percent, print_json, when
from plumbline.services import connected
from plumbline.settings import Settings
from plumbline_client.errors import BrokerUnavailable, StorageError

if TYPE_CHECKING:
    from storage.reports.status import Status

MINUTE_S = 60.0


@dataclass(frozen=True, slots=True)
class Standing:
    """`ledger` and `queued_messages` are None where PostgreSQL or Redis does not answer."""

    ledger: Status | None
    ledger_error: str | None
    queued_messages: int | None
    workers: list[str]
    broker_error: str | None

    @property
    def whole(self) -> bool:
        return self.ledger_error is None and self.broker_error is None


def status(
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Until Ctrl-C.")] = False,
    every: Annotated[float, typer.Option(min=0.2, help="Seconds between two looks.")] = 2.0,
    as_json: Json = False,
) -> None:
    """Show what waits, what works and what serves. Exit 1 where PostgreSQL or Redis is down."""
    settings = connected(Settings.read())
    if watch:
        keep_watching(settings, every, as_json)
    found = look(settings)
    if as_json:
        print_json(document(found))
    else:
        out.print(table(found))
    if not found.whole:
        raise typer.Exit(1)


def keep_watching(settings: Settings, every: float, as_json: bool) -> None:
    """Look again and again; JSON is then a line for each look."""
    from rich.live import Live

    if as_json:
        while True:
            print_json(document(look(settings)))
            out.file.flush()
            time.sleep(every)
    with Live(table(look(settings)), console=out, auto_refresh=False) as live:
        while True:
            time.sleep(every)
            live.update(table(look(settings)), refresh=True)


def look(settings: Settings) -> Standing:
    """Ask PostgreSQL and Redis; either may be away without the other being left out."""
    from plumbline.broker import queue_depth
    from plumbline.celery_config import responding_workers
    from storage.reports.status import snapshot

    assert settings.broker_url is not None
    ledger = ledger_error = depth = broker_error = None
    workers: list[str] = []
    try:
        with database(settings) as engine, engine.connect() as connection:
            ledger = snapshot(connection)
    except StorageError as error:
        ledger_error = str(error)
    broker_url = settings.broker_url.get_secret_value()
    try:
        depth = queue_depth(broker_url)
        workers = responding_workers(broker_url)
    except BrokerUnavailable as error:
        broker_error = str(error)
    return Standing(ledger, ledger_error, depth, workers, broker_error)


def document(found: Standing) -> dict[str, Any]:
    """Every key is always there; null is what is not known."""
    ledger = asdict(found.ledger) if found.ledger is not None else {}
    names = (
        "counts", "oldest_queued_s", "scored_last_minute", "live_model", "shadow_model",
        "canary_model", "canary_share", "drift_verdict", "drift_at",
    )  # fmt: skip
    return {
        "ok": found.whole,
        **{name: ledger.get(name) for name in names},
        "queued_messages": found.queued_messages,
        "workers": found.workers,
        "database_error": found.ledger_error,
        "broker_error": found.broker_error,
    }


def table(found: Standing) -> Table:
    lines = facts("plumbline")
    if found.ledger is None:
        lines.add_row("ledger", Text(found.ledger_error or "", style="red"))
    else:
        add_ledger(lines, found.ledger)
    if found.broker_error is not None:
        lines.add_row("queue", Text(found.broker_error, style="red"))
    else:
        lines.add_row("queue", f"{found.queued_messages:,} messages")
        lines.add_row("workers", workers_text(found.workers))
    return lines


def add_ledger(lines: Table, ledger: Status) -> None:
    counts = Text(", ").join(
        Text.assemble(f"{count:,} ", colored(state))
        for state, count in sorted(ledger.counts.items())
    )
    lines.add_row("jobs", counts if ledger.counts else "none yet")
    if ledger.oldest_queued_s is not None:
        lines.add_row("oldest queued", age(ledger.oldest_queued_s))
    per_minute = ledger.scored_last_minute
    lines.add_row("scored", f"{per_minute:,} in the last minute, {per_minute / MINUTE_S:,.1f}/s")
    lines.add_row("live model", ledger.live_model or "none yet; the first worker to start sets it")
    if ledger.shadow_model is not None:
        lines.add_row("shadow", ledger.shadow_model)
    if ledger.canary_model is not None and ledger.canary_share is not None:
        lines.add_row("canary", f"{ledger.canary_model}, {percent(ledger.canary_share)} of jobs")
    if ledger.drift_verdict is None:
        lines.add_row("last drift", "no report yet")
    else:
        lines.add_row(
            "last drift", Text.assemble(colored(ledger.drift_verdict), f", {when(ledger.drift_at)}")
        )


def workers_text(workers: list[str]) -> Text:
    if not workers:
        return Text("none answers; start one with `plumbline up`", style="yellow")
    return Text("\n".join(workers))


def age(seconds: float) -> str:
    for unit, length in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.1f} s"
