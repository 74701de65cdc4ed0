"""Texts submitted by threads, as several services do, and how fast they become rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from celery import Celery

from benchmarks.pipeline.cpu import cpu_by_name
from benchmarks.pipeline.servers import PLAIN_QUEUE, Servers
from benchmarks.sample_texts import sample_text
from plumbline_client import Client

SOURCE = "benchmark"
PREDICTIONS = "plumbline.predictions"
PLAIN_PREDICTIONS = "plain.predictions"


@dataclass(slots=True)
class Rates:
    """The rounds of one case: texts per second, and CPU milliseconds per text by process."""

    per_s: list[float] = field(default_factory=list)
    cpu_ms: list[dict[str, float]] = field(default_factory=list)

    def add(self, count: int, seconds: float, cpu_s: Mapping[str, float]) -> None:
        """Add a round: how many texts, in which time, with which CPU seconds by process."""
        self.per_s.append(count / seconds)
        self.cpu_ms.append({name: 1000.0 * spent / count for name, spent in cpu_s.items()})

    def document(self) -> dict[str, Any]:
        names = self.cpu_ms[0] if self.cpu_ms else ()
        return {
            "texts_per_s": [round(rate, 1) for rate in self.per_s],
            "median_texts_per_s": round(median(self.per_s), 1),
            "cpu_ms_per_text": {
                name: round(median(round_ms[name] for round_ms in self.cpu_ms), 4) for name in names
            },
        }


@contextmanager
def measured(servers: Servers, rates: Rates, count: int) -> Iterator[Callable[[float], None]]:
    """Measure a block that submits `count` texts; it passes the time of the last row it waited for.

    The client is this process.
    """
    before, own, started = cpu_by_name(servers.roots), time.process_time(), time.time()
    ended: list[float] = []
    yield ended.append
    client_s = time.process_time() - own
    after = cpu_by_name(servers.roots)
    spent = {name: after[name] - before.get(name, 0.0) for name in after} | {"client": client_s}
    rates.add(count, ended[0] - started, spent)


def measure_ledger(
    servers: Servers, rates: Rates, count: int, size: int, producers: int = 4
) -> None:
    """Submit with the client, `size` texts per message, and wait for their rows."""
    started = time.time()
    with (
        Client(servers.database_url, servers.broker_url, message_size=size) as client,
        measured(servers, rates, count) as ended,
    ):

        def submit(texts: list[str]) -> None:
            if size == 1:
                for text in texts:
                    client.submit(text, source=SOURCE)
                return
            for _ in client.submit_many(texts, source=SOURCE):
                pass

        in_threads(count, producers, submit)
        ended(servers.wait_for_rows(count, started))


def measure_plain(servers: Servers, rates: Rates, count: int, producers: int = 4) -> None:
    """Send one task per text, and wait for their rows."""
    app = Celery("plain.producer", broker=servers.broker_url, set_as_current=False)
    started = time.time()

    def send(texts: list[str]) -> None:
        for text in texts:
            app.send_task("plain.score", args=[text], queue=PLAIN_QUEUE, ignore_result=True)

    with app, measured(servers, rates, count) as ended:
        in_threads(count, producers, send)
        ended(servers.wait_for_rows(count, started, PLAIN_PREDICTIONS))


def in_threads(count: int, producers: int, send: Callable[[list[str]], None]) -> None:
    texts = [sample_text(number) for number in range(count)]
    with ThreadPoolExecutor(producers) as pool:
        for future in [pool.submit(send, texts[index::producers]) for index in range(producers)]:
            future.result()
