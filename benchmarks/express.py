"""How long a single text waits on an idle system, and how long behind 100,000 bulk texts.

    .venv/bin/python benchmarks/express.py [--bulk 100000] [--singles 30] [--concurrency 1]

Everything on this machine, as `plumbline up` runs it. The wait is from a text's commit to its
claim, by PostgreSQL's clock. Ends with 1 where the median or the 95th percentile of the busy system
is ten times the idle one's, or more.
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

from plumbline.cli.output.progress import Narration
from plumbline.client import Client
from plumbline.embedded.stack import stack
from plumbline.settings import Settings
from storage.database import connect
from storage.jobs import outbox

TEXT = "Your parcel number {} is ready at the counter, bring the code we sent you on Monday"
REACH = 10.0


@dataclass(frozen=True, slots=True)
class Waits:
    """Milliseconds in the queue of some single texts, and how many other texts waited meanwhile."""

    median: float
    p95: float
    before: int
    after: int


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
            stack(settings, Narration(console)) as running,
            Client.from_settings(running.settings) as client,
        ):
            assert running.settings.database_url is not None
            engine = connect(running.settings.database_url.get_secret_value())
            single(client, "the first, which finds everything cold")
            idle = singles(client, engine, options.singles)
            load(client, engine, options.bulk)
            busy = singles(client, engine, options.singles)
            engine.dispose()
    console.print(table(idle, busy, options.singles))
    ratio = max(busy.median / idle.median, busy.p95 / idle.p95)
    sys.exit(0 if ratio < REACH else 1)


def load(client: Client, engine: Engine, texts: int) -> None:
    """Submit until so many wait, though the workers are at them already."""
    sent = client.submit_many((TEXT.format(n) for n in range(10 * texts)), source="bulk")
    for count, _ in enumerate(sent, start=1):
        if count % 1_000 == 0 and waiting(engine, texts) >= texts:
            return
    raise AssertionError("the workers are quicker than one client")


def singles(client: Client, engine: Engine, count: int) -> Waits:
    before = waiting(engine)
    waits = [single(client, TEXT.format(-n)) for n in range(count)]
    p95 = statistics.quantiles(waits, n=20)[-1]
    return Waits(statistics.median(waits), p95, before, waiting(engine))


def single(client: Client, text: str) -> float:
    """Milliseconds in the queue of one text."""
    result = client.wait([client.submit(text, source="single").job_id])[0]
    assert result.queue_ms is not None, f"{result.state}: {result.error}"
    return result.queue_ms


def waiting(engine: Engine, most: int = 10_000_000) -> int:
    with engine.connect() as connection:
        return outbox.waiting(connection, most)


def table(idle: Waits, busy: Waits, count: int) -> Table:
    found = Table("", "idle", "busy", "times", title=f"{count} single texts, one after the other")
    found.add_row("others waiting", f"{idle.before:,}", f"{busy.before:,} to {busy.after:,}", "")
    for name in ("median", "p95"):
        one, other = getattr(idle, name), getattr(busy, name)
        found.add_row(f"wait, {name}", f"{one:.1f} ms", f"{other:.1f} ms", f"{other / one:.1f}")
    return found


if __name__ == "__main__":
    main()
