"""How long a child of a worker takes to start, and what memory it takes.

.venv/bin/python -m benchmarks.children [NAME/VERSION] [--models-dir models] [--output FILE]

A real worker with two children, once with packed weights that they share and once with weights of
their own. The memory is read after the start and again after long texts.
"""

from __future__ import annotations

import argparse
import re
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from benchmarks.pipeline.servers import Servers, celery_worker, start_servers
from benchmarks.result_file import add_output_option, machine_line, write_result
from plumbline_client.client import Client

APP = "benchmarks.children_app"
CHILDREN = 2
# With those of the children that replace a killed one.
STARTS = CHILDREN + 3
LONG_TEXT = "word and another word " * 600
LONG_TEXTS = 12
LIMIT_S = 60.0
STARTED = re.compile(r"child started in ([\d.]+) s")
MEMORY = re.compile(r"^(Rss|Pss|Private_Clean|Private_Dirty):\s+(\d+) kB", re.MULTILINE)
WAYS = {"shared": None, "own": "off"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model", nargs="?", default="sms-spam")
    parser.add_argument("--models-dir", type=Path, default=Path("models"))
    add_output_option(parser)
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="plumbline-children-") as folder,
        start_servers(Path(folder)) as servers,
    ):
        settings = {"MODELS_DIR": options.models_dir.resolve(), "MODEL": options.model}
        figures = {
            way: measure(servers, way, settings | ({"WEIGHTS_DIR": folder} if folder else {}))
            for way, folder in WAYS.items()
        }
    show(options.model, figures)
    write_result(options.output, {"model": options.model} | figures, ("ai-edge-litert", "celery"))


def measure(servers: Servers, way: str, settings: dict[str, object]) -> dict[str, float]:
    """Return seconds and MB per child; the slowest start and the largest child."""
    begun = time.monotonic()
    with celery_worker(servers, APP, CHILDREN, name=way, settings=settings) as worker:
        log = servers.folder / f"{APP}-{way}.log"
        wait_for_starts(log, CHILDREN)
        ready_s = time.monotonic() - begun
        # A child that replaces another starts while its sibling is ready.
        for started in range(CHILDREN, STARTS):
            wait_for_starts(log, started)
            psutil.Process(worker.pid).children()[0].kill()
        starts = wait_for_starts(log, STARTS)
        idle = memory_mb(worker.pid)
        with Client(servers.database_url, servers.broker_url) as client:
            receipts = client.submit_many(LONG_TEXT for _ in range(LONG_TEXTS))
            client.wait([receipt.job_id for receipt in receipts], timeout_s=240.0)
        busy = memory_mb(worker.pid)
    return {
        "worker ready, s": ready_s,
        "child start, median s": statistics.median(starts),
        "child start, slowest s": max(starts),
        **{f"{name}, MB": value for name, value in idle.items()},
        **{f"{name} after long texts, MB": value for name, value in busy.items()},
    }


def wait_for_starts(log: Path, count: int) -> list[float]:
    ends_at = time.monotonic() + LIMIT_S
    while len(starts := [float(s) for s in STARTED.findall(log.read_text())]) < count:
        if time.monotonic() > ends_at:
            raise SystemExit(f"A child did not start within {LIMIT_S:g} s.")
        time.sleep(0.05)
    return starts


def memory_mb(pid: int) -> dict[str, float]:
    """Return resident and proportional memory of the largest child, and of it what is private."""
    children = [dict(_memory(child.pid)) for child in psutil.Process(pid).children()]
    largest = max(children, key=lambda child: child["Rss"])
    private = largest["Private_Clean"] + largest["Private_Dirty"]
    return {"RSS": largest["Rss"], "PSS": largest["Pss"], "private": private}


def _memory(pid: int) -> Iterator[tuple[str, float]]:
    for name, kib in MEMORY.findall(Path(f"/proc/{pid}/smaps_rollup").read_text()):
        yield name, int(kib) * 1024 / 1e6


def show(model: str, figures: dict[str, dict[str, float]]) -> None:
    table = Table("", *(f"{way} weights" for way in figures), title=f"{model}, {machine_line()}")
    for name in next(iter(figures.values())):
        table.add_row(name, *(f"{values[name]:.2f}" for values in figures.values()))
    Console().print(table)


if __name__ == "__main__":
    main()
