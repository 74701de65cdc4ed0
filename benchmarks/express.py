"""How long a single text waits in the queue, on an idle system and behind 100,000 bulk texts.

    .venv/bin/python benchmarks/express.py [--bulk 100000] [--singles 30] [--concurrency 1]

Everything runs on this machine, as under `plumbline up`. The wait is the time from a text's commit
to its claim, by PostgreSQL's clock. Exit 1 if the median or the 95th percentile on the busy system
is at least ten times that on the idle one.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table
from sqlalchemy import Engine

from benchmarks.sample_texts import queue_wait_ms, sample_text
from plumbline.cli.output.progress import TerminalReporter
from plumbline.embedded.stack import stack
from plumbline.services import open_client
from plumbline.settings import Settings
from plumbline_client import Client
from storage.database import open_engine
from storage.jobs.queue import queue_length

MAX_RATIO = 10.0
SINGLE_SOURCE, BULK_SOURCE = "single", "bulk"
# Counting the queue takes processor time from the workers.
COUNT_EVERY_TEXTS = 1_000


@dataclass(frozen=True, slots=True)
class Waits:
    """Waits of single texts in ms, and the number of queued texts before and after them."""

    median: float
    p95: float
    queued_before: int
    queued_after: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bulk", type=int, default=100_000)
    parser.add_argument("--singles", type=int, default=30)
    parser.add_argument("--concurrency", type=int, default=1)
    options = parser.parse_args()
    console = Console()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings.read().model_copy(
            update={"state_dir": Path(folder), "concurrency": options.concurrency}
        )
        with (
            stack(settings, TerminalReporter(console)) as running,
            open_client(running.settings, running.services) as client,
            open_engine(running.services.database_url) as engine,
        ):
            # The first text finds every cache cold.
            queue_wait_ms(client, sample_text(0), SINGLE_SOURCE)
            idle = measure_waits(client, engine, options.singles)
            fill_queue(client, engine, options.bulk)
            busy = measure_waits(client, engine, options.singles)
    console.print(waits_table(idle, busy, options.singles))
    ratio = max(busy.median / idle.median, busy.p95 / idle.p95)
    sys.exit(0 if ratio < MAX_RATIO else 1)


def fill_queue(client: Client, engine: Engine, texts: int) -> None:
    """Submit until `texts` are queued, although the workers are already scoring them."""
    receipts = client.submit_many(
        (sample_text(number) for number in range(10 * texts)), source=BULK_SOURCE
    )
    for count, _ in enumerate(receipts, start=1):
        if count % COUNT_EVERY_TEXTS == 0 and count_queued(engine) >= texts:
            return
    raise AssertionError("the workers score as fast as one client submits")


def measure_waits(client: Client, engine: Engine, count: int) -> Waits:
    before = count_queued(engine)
    waits = [queue_wait_ms(client, sample_text(-number), SINGLE_SOURCE) for number in range(count)]
    p95 = statistics.quantiles(waits, n=20)[-1]
    return Waits(statistics.median(waits), p95, before, count_queued(engine))


def count_queued(engine: Engine) -> int:
    with engine.connect() as connection:
        return queue_length(connection).queued


def waits_table(idle: Waits, busy: Waits, count: int) -> Table:
    table = Table("", "idle", "busy", "ratio", title=f"{count} single texts, one after the other")
    table.add_row(
        "queued texts",
        f"{idle.queued_before:,}",
        f"{busy.queued_before:,} to {busy.queued_after:,}",
        "",
    )
    for name in ("median", "p95"):
        idle_ms, busy_ms = getattr(idle, name), getattr(busy, name)
        ratio = f"{busy_ms / idle_ms:.1f}"
        table.add_row(f"wait, {name}", f"{idle_ms:.1f} ms", f"{busy_ms:.1f} ms", ratio)
    return table


if __name__ == "__main__":
    main()
