"""What the promise costs: the ledger's path against a plain Celery task with one insert.

    .venv/bin/python benchmarks/cost.py [--singles 1500] [--texts 6000] [--rounds 5]

Both score the same texts with the same model on the same servers, turn and turn about. The plain
task inserts and commits what came out and acknowledges early, as Celery does unless told otherwise.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
from celery import Celery
from rich.console import Console
from rich.table import Table

from plumbline.client import Client, Submission
from plumbline.embedded import child
from plumbline.embedded.postgres import postgres
from plumbline.embedded.redis import redis_server
from plumbline.settings import PREFIX, Settings
from storage import migrate
from storage.database import connect

HERE = Path(__file__).resolve().parent
TEXT = "Your parcel number {} is ready at the counter, bring the code we sent you on Monday"
PLAIN_QUEUE = "plain.score"
LIST = 64
POLL_S = 0.02
# Counting takes processor time from what is measured.
COUNT_EVERY_S = 0.2
TIMEOUT_S = 300.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--singles", type=int, default=1_500)
    parser.add_argument("--texts", type=int, default=6_000, help="in lists of 64")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--concurrency", type=int, default=2)
    parser.add_argument("--producers", type=int, default=4, help="threads that submit at once")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        both(Path(folder), options.concurrency, options.producers) as sides,
    ):
        rates: dict[str, list[float]] = {}
        cases = {
            "plain, single": lambda: sides.plain(options.singles),
            "ledger, single": lambda: sides.ledger(options.singles, 1),
            "ledger, lists of 64": lambda: sides.ledger(options.texts, LIST),
        }
        # The first round only warms up.
        for turn in range(options.rounds + 1):
            for name, measure in cases.items():
                rate = measure()
                if turn:
                    rates.setdefault(name, []).append(rate)
    show(rates, options.concurrency)


class Sides:
    """One database, one Redis; a worker of each kind, of which one is idle at any time."""

    def __init__(self, database_url: str, broker_url: str, producers: int) -> None:
        self._database_url = database_url
        self._broker_url = broker_url
        self._producers = producers
        # One connection for all the looking: to make one costs as much as several jobs.
        self._looking = psycopg.connect(database_url, autocommit=True)
        self._sent = itertools.count()
        self._app = Celery("plain.producer", broker=broker_url, set_as_current=False)

    def plain(self, count: int) -> float:
        """Jobs a second from the first send to the last row."""
        return self._timed(
            count, "plain.predictions", lambda: self._together(count, self._send_plain)
        )

    def ledger(self, count: int, size: int) -> float:
        settings = Settings(message_size=size)
        with Client(self._database_url, self._broker_url, settings=settings) as client:
            return self._timed(
                count,
                "plumbline.predictions",
                lambda: self._together(count, lambda share: self._submit(client, share, size)),
            )

    def _send_plain(self, count: int) -> None:
        for text in self._texts(count):
            self._app.send_task("plain.score", args=[text], queue=PLAIN_QUEUE, ignore_result=True)

    def _submit(self, client: Client, count: int, size: int) -> None:
        if size == 1:
            for text in self._texts(count):
                client.submit(text, source="benchmark")
            return
        texts = (Submission(text) for text in self._texts(count))
        for _ in client.submit_many(texts, source="benchmark"):
            pass

    def _texts(self, count: int) -> Iterator[str]:
        for _ in range(count):
            yield TEXT.format(next(self._sent))

    def _together(self, count: int, send: Callable[[int], None]) -> None:
        """Services submit at the same time, so do these threads."""
        with ThreadPoolExecutor(self._producers) as pool:
            share = count // self._producers
            for sent in [pool.submit(send, share) for _ in range(self._producers)]:
                sent.result()

    def _timed(self, count: int, table: str, send: Callable[[], None]) -> float:
        """By PostgreSQL's clock, which is this machine's."""
        started = time.time()
        send()
        while (found := self._since(started, table))[0] < count:
            if time.time() - started > TIMEOUT_S:
                raise SystemExit(f"Only {found[0]} of {count} were scored in {TIMEOUT_S:g} s.")
            time.sleep(COUNT_EVERY_S)
        return count / (found[1] - started)

    def _since(self, started: float, table: str) -> tuple[int, float]:
        """How many were scored since, and when the last of them was, in seconds since 1970."""
        row = self._looking.execute(
            f"SELECT count(*), coalesce(extract(epoch FROM max(scored_at)), 0) FROM {table} "
            "WHERE scored_at >= to_timestamp(%s)",
            [started],
        ).fetchone()
        assert row is not None
        return int(row[0]), float(row[1])


@contextmanager
def both(folder: Path, concurrency: int, producers: int) -> Iterator[Sides]:
    """Both workers, ready, on servers of their own."""
    with ExitStack() as opened:
        database_url = opened.enter_context(postgres(folder / "postgres")).url
        broker_url = opened.enter_context(redis_server(folder / "redis")).url
        engine = connect(database_url)
        migrate.upgrade(engine)
        engine.dispose()
        with psycopg.connect(database_url) as connection:
            connection.execute("CREATE SCHEMA plain")
            connection.execute(
                "CREATE TABLE plain.predictions (id bigserial PRIMARY KEY, text text, label text, "
                "probability float8, confidence float8, scored_at timestamptz DEFAULT now())"
            )
        for name, arguments in (
            ("worker", ["--without-mingle", "--without-gossip"]),
            ("benchmarks.plain_app", ["--queues", PLAIN_QUEUE]),
        ):
            opened.enter_context(
                celery_worker(name, arguments, folder, concurrency, database_url, broker_url)
            )
        yield Sides(database_url, broker_url, producers)


@contextmanager
def celery_worker(
    app: str, arguments: list[str], folder: Path, concurrency: int, database: str, broker: str
) -> Iterator[None]:
    environment = {
        f"{PREFIX}DATABASE_URL": database,
        f"{PREFIX}BROKER_URL": broker,
        f"{PREFIX}MODELS_DIR": str(HERE.parent / "models"),
        f"{PREFIX}STATE_DIR": str(folder / "state"),
        "PYTHONPATH": str(HERE.parent),
        "PATH": "/usr/bin:/bin",
    }
    log = folder / f"{app}.log"
    command = [sys.executable, "-m", "celery", "-A", app, "worker", "-c", str(concurrency)]
    # Both log what they log by default at this level: one line a task would cost both the same.
    process = child.start(
        [*command, "-n", f"{app}@benchmark", "--loglevel=INFO", *arguments],
        log=log,
        environment=environment,
        cwd=folder,
    )
    try:
        wait_until_ready(process, log)
        yield
    finally:
        child.stop(process, child.signal.SIGTERM, 30.0)
        child.kill_group(process.pid)


def wait_until_ready(process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while " ready." not in log.read_text(encoding="utf-8", errors="replace"):
        if process.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"A worker did not start: {child.log_tail(log, 3)}")
        time.sleep(POLL_S)


def show(rates: dict[str, list[float]], concurrency: int) -> None:
    base = rates["plain, single"]
    table = Table("", "jobs/s, median", "of the plain task", "rounds")
    table.title = f"{concurrency} scoring processes"
    for name, found in rates.items():
        # Each against the plain one of its own round, so that what else the machine does cancels.
        ratios = [rate / plain for rate, plain in zip(found, base, strict=True)]
        table.add_row(
            name,
            f"{statistics.median(found):,.0f}",
            f"{statistics.median(ratios):.2f}",
            " ".join(f"{rate:,.0f}" for rate in found),
        )
    Console().print(table)


if __name__ == "__main__":
    main()
