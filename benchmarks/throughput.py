"""Texts per second through the whole path, and the latency of a single text, on real servers.

    .venv/bin/python benchmarks/throughput.py [--texts 4000] [--concurrency 2]

Client → PostgreSQL → Redis → workers → int8 model → PostgreSQL, everything on this machine.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path
from time import perf_counter

from rich.console import Console
from rich.table import Table

from benchmarks.sample_texts import queue_wait_ms, sample_text
from plumbline.cli.output.progress import TerminalReporter
from plumbline.embedded.stack import stack
from plumbline.services import open_client
from plumbline.settings import Settings
from plumbline_client import Client

SOURCE = "benchmark"
MESSAGE_SIZES = (1, 64)
TIMEOUT_S = 600.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=int, default=4_000)
    parser.add_argument("--singles", type=int, default=100)
    parser.add_argument("--concurrency", type=int, default=2)
    options = parser.parse_args()
    console = Console()
    title = f"{options.concurrency} scoring processes, about 20 tokens per text"
    table = Table("", "", title=title)
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings.read().model_copy(
            update={"state_dir": Path(folder), "concurrency": options.concurrency}
        )
        with stack(settings, TerminalReporter(console)) as running:
            for size in MESSAGE_SIZES:
                sized = running.settings.model_copy(update={"message_size": size})
                with open_client(sized, running.services) as client:
                    count = options.texts if size > 1 else options.texts // 4
                    rate = texts_per_second(client, count)
                table.add_row(f"texts per second, {size} per message", f"{rate:,.0f}")
            with open_client(running.settings, running.services) as client:
                wait_ms = median_wait_ms(client, options.singles)
            table.add_row(
                "one text on an idle system, from commit to claim, median", f"{wait_ms:.0f} ms"
            )
    console.print(table)


def texts_per_second(client: Client, count: int) -> float:
    """Measure from the first submission to the last score."""
    texts = [sample_text(number) for number in range(count)]
    started = perf_counter()
    ids = [receipt.job_id for receipt in client.submit_many(texts, source=SOURCE)]
    results = client.wait(ids, timeout_s=TIMEOUT_S)
    assert {result.state for result in results} == {"scored"}
    return count / (perf_counter() - started)


def median_wait_ms(client: Client, count: int) -> float:
    return statistics.median(
        queue_wait_ms(client, sample_text(-number), SOURCE) for number in range(count)
    )


if __name__ == "__main__":
    main()
