"""Texts a second through the whole path, and how long a single one takes, on real servers.

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

from plumbline.cli.output.progress import Narration
from plumbline.client import Client, Submission
from plumbline.embedded.stack import stack
from plumbline.settings import Settings

TEXT = "Your parcel number {} is ready at the counter, bring the code we sent you on Monday"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=int, default=4_000)
    parser.add_argument("--singles", type=int, default=100)
    parser.add_argument("--concurrency", type=int, default=2)
    options = parser.parse_args()
    console = Console()
    table = Table("", "", title=f"{options.concurrency} scoring processes, about 20 tokens a text")
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings.read().model_copy(
            update={"state_dir": Path(folder), "concurrency": options.concurrency}
        )
        with stack(settings, Narration(console)) as running:
            for size in (1, 64):
                sized = running.settings.model_copy(update={"message_size": size})
                with Client.from_settings(sized) as client:
                    count = options.texts if size > 1 else options.texts // 4
                    rate = bulk(client, count)
                table.add_row(f"texts a second, {size} a message", f"{rate:,.0f}")
            with Client.from_settings(running.settings) as client:
                waits = singles(client, options.singles)
            table.add_row("one text on an idle system, median", f"{waits:.0f} ms in the queue")
    console.print(table)


def bulk(client: Client, count: int) -> float:
    """From the first submission to the last score."""
    texts = [Submission(TEXT.format(n)) for n in range(count)]
    started = perf_counter()
    ids = [receipt.job_id for receipt in client.submit_many(texts, source="benchmark")]
    results = client.wait(ids, timeout_s=600)
    assert {result.state for result in results} == {"scored"}
    return count / (perf_counter() - started)


def singles(client: Client, count: int) -> float:
    """Milliseconds from the commit of one text to its claim, by PostgreSQL's clock."""
    waits = []
    for number in range(count):
        receipt = client.submit(TEXT.format(-number), source="benchmark")
        result = client.wait([receipt.job_id])[0]
        assert result.queue_ms is not None
        waits.append(result.queue_ms)
    return statistics.median(waits)


if __name__ == "__main__":
    main()
