"""The cost of the promise: the path through the ledger against a plain Celery task with one insert.

    .venv/bin/python benchmarks/cost.py [--singles 1500] [--texts 6000] [--rounds 5]

Both score the same texts with the same model on the same servers, in turn. The plain task commits
one row per text and acknowledges early, which is Celery's default.
"""

from __future__ import annotations

import argparse
import itertools
import os
import signal
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

from benchmarks.sample_texts import sample_text
from plumbline import celery_environment
from plumbline.embedded import child_process
from plumbline.embedded.postgres import postgres_server
from plumbline.embedded.redis import redis_server
from plumbline.redis_users import RedisUser
from plumbline.settings import PREFIX
from plumbline_client import Client
from storage import migrate
from storage.database import open_engine

CHECKOUT = Path(__file__).resolve().parent.parent
PLAIN = "plain task, one text per message"
PLAIN_QUEUE = "plain.score"
SOURCE = "benchmark"
LIST_SIZE = 64
POLL_S = 0.02
# Counting the rows takes processor time from the workers.
COUNT_EVERY_S = 0.2
TIMEOUT_S = 300.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--singles", type=int, default=1_500)
    parser.add_argument("--texts", type=int, default=6_000, help="in lists of 64")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--concurrency", type=int, default=2)
    parser.add_argument("--producers", type=int, default=4, help="threads that submit")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        start_bench(Path(folder), options.concurrency, options.producers) as bench,
    ):
        rates: dict[str, list[float]] = {}
        cases = {
            PLAIN: lambda: bench.plain_rate(options.singles),
            "ledger, one text per message": lambda: bench.ledger_rate(options.singles, 1),
            "ledger, lists of 64": lambda: bench.ledger_rate(options.texts, LIST_SIZE),
        }
        # The first round is the warm-up.
        for round_number in range(options.rounds + 1):
            for name, measure in cases.items():
                rate = measure()
                if round_number:
                    rates.setdefault(name, []).append(rate)
    Console().print(rates_table(rates, options.concurrency))


class Bench:
    """One database and one Redis with a worker of each kind, of which one is always idle."""

    def __init__(self, database_url: str, broker_url: str, producers: int) -> None:
        self._database_url = database_url
        self._broker_url = broker_url
        self._producers = producers
        # One connection for all counts: opening one costs as much as several jobs.
        self._connection = psycopg.connect(database_url, autocommit=True)
        self._numbers = itertools.count()
        # Else a variable of the shell would decide where the app sends.
        celery_environment.clean(os.environ)
        self._app = Celery("plain.producer", broker=broker_url, set_as_current=False)

    def plain_rate(self, count: int) -> float:
        """Return jobs per second, from the first send to the last row."""
        return self._rate(
            count, "plain.predictions", lambda: self._in_threads(count, self._send_plain)
        )

    def ledger_rate(self, count: int, size: int) -> float:
        """Return jobs per second with messages of `size` texts."""
        with Client(self._database_url, self._broker_url, message_size=size) as client:
            return self._rate(
                count,
                "plumbline.predictions",
                lambda: self._in_threads(count, lambda share: self._submit(client, share, size)),
            )

    def _send_plain(self, count: int) -> None:
        for text in self._texts(count):
            self._app.send_task("plain.score", args=[text], queue=PLAIN_QUEUE, ignore_result=True)

    def _submit(self, client: Client, count: int, size: int) -> None:
        if size == 1:
            for text in self._texts(count):
                client.submit(text, source=SOURCE)
            return
        for _ in client.submit_many(self._texts(count), source=SOURCE):
            pass

    def _texts(self, count: int) -> Iterator[str]:
        for _ in range(count):
            yield sample_text(next(self._numbers))

    def _in_threads(self, count: int, send: Callable[[int], None]) -> None:
        """Submit from several threads at once, as several services do."""
        with ThreadPoolExecutor(self._producers) as pool:
            share = count // self._producers
            for future in [pool.submit(send, share) for _ in range(self._producers)]:
                future.result()

    def _rate(self, count: int, table: str, send: Callable[[], None]) -> float:
        # Rows are dated by PostgreSQL's clock, which is that of this machine.
        started = time.time()
        send()
        while (scored := self._scored_since(started, table))[0] < count:
            if time.time() - started > TIMEOUT_S:
                raise SystemExit(f"Only {scored[0]} of {count} were scored in {TIMEOUT_S:g} s.")
            time.sleep(COUNT_EVERY_S)
        return count / (scored[1] - started)

    def _scored_since(self, started: float, table: str) -> tuple[int, float]:
        """Return the number of texts scored since, and the Unix time of the last score."""
        row = self._connection.execute(
            f"SELECT count(*), coalesce(extract(epoch FROM max(scored_at)), 0) FROM {table} "
            "WHERE scored_at >= to_timestamp(%s)",
            [started],
        ).fetchone()
        assert row is not None
        return int(row[0]), float(row[1])


@contextmanager
def start_bench(folder: Path, concurrency: int, producers: int) -> Iterator[Bench]:
    """Start servers and both workers; yield once the workers are ready."""
    with ExitStack() as opened:
        database_url = opened.enter_context(postgres_server(folder / "postgres")).url
        # The plain application has keys of its own, for which a worker of Plumbline has no rights.
        user = RedisUser("benchmark", ["*"], ["+@all", "&*"])
        redis = opened.enter_context(redis_server(folder / "redis", [user]))
        broker_url = redis.urls[user.name]
        with open_engine(database_url) as engine:
            migrate.upgrade(engine)
        with psycopg.connect(database_url) as connection:
            connection.execute("CREATE SCHEMA plain")
            connection.execute(
                "CREATE TABLE plain.predictions (id bigserial PRIMARY KEY, text text, label text, "
                "probability float8, confidence float8, scored_at timestamptz DEFAULT now())"
            )
        for name, arguments in (
            ("worker", []),
            ("benchmarks.plain_app", ["--queues", PLAIN_QUEUE]),
        ):
            opened.enter_context(
                celery_worker(name, arguments, folder, concurrency, database_url, broker_url)
            )
        yield Bench(database_url, broker_url, producers)


@contextmanager
def celery_worker(
    app: str, arguments: list[str], folder: Path, concurrency: int, database: str, broker: str
) -> Iterator[None]:
    environment = {
        f"{PREFIX}DATABASE_URL": database,
        f"{PREFIX}BROKER_URL": broker,
        f"{PREFIX}MODELS_DIR": str(CHECKOUT / "models"),
        f"{PREFIX}STATE_DIR": str(folder / "state"),
        "PYTHONPATH": str(CHECKOUT),
        "PATH": "/usr/bin:/bin",
    }
    log = folder / f"{app}.log"
    command = [sys.executable, "-m", "celery", "-A", app, "worker", "-c", str(concurrency)]
    # Both log their default lines at this level: one line per task would cost both the same.
    process = child_process.start(
        [*command, "-n", f"{app}@benchmark", "--loglevel=INFO", *arguments],
        log=log,
        environment=environment,
        cwd=folder,
    )
    try:
        wait_until_ready(process, log)
        yield
    finally:
        child_process.stop(process, signal.SIGTERM, 30.0)
        child_process.kill_group(process.pid)


def wait_until_ready(process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while " ready." not in log.read_text(encoding="utf-8", errors="replace"):
        if process.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"A worker did not start: {child_process.log_tail(log, 3)}")
        time.sleep(POLL_S)


def rates_table(rates: dict[str, list[float]], concurrency: int) -> Table:
    table = Table("", "jobs/s, median", "relative to the plain task", "rounds")
    table.title = f"{concurrency} scoring processes"
    for name, case_rates in rates.items():
        # Comparing rates of the same round cancels out other load on the machine.
        ratios = [rate / plain for rate, plain in zip(case_rates, rates[PLAIN], strict=True)]
        table.add_row(
            name,
            f"{statistics.median(case_rates):,.0f}",
            f"{statistics.median(ratios):.2f}",
            " ".join(f"{rate:,.0f}" for rate in case_rates),
        )
    return table


if __name__ == "__main__":
    main()
