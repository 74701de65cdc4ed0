"""Bulk: texts from a file through `plumbline submit` to committed rows, beside bare scorers."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.pipeline import bare
from benchmarks.pipeline.cpu import cpu_by_name
from benchmarks.pipeline.servers import PLUMBLINE_APP, Servers, celery_worker

SUBMIT = [str(Path(sys.executable).with_name("plumbline")), "submit"]


def measure(
    servers: Servers, texts: list[str], models_dir: Path, model: str, rounds: int, processes: int
) -> dict[str, Any]:
    """Return texts per second of both, in turn, and the CPU milliseconds per text."""
    file = servers.folder / "texts.txt"
    file.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    settings = {"MODELS_DIR": models_dir, "MODEL": model}
    rates: dict[str, list[float]] = {"two bare scorers": [], "plumbline submit": []}
    costs: list[dict[str, float]] = []
    with celery_worker(servers, PLUMBLINE_APP, processes, settings=settings):
        submit_file(servers, file, len(texts), settings)
        for _ in range(rounds):
            rates["two bare scorers"].append(bare.texts_per_s(texts, models_dir, model, processes))
            rate, cost = submit_file(servers, file, len(texts), settings)
            rates["plumbline submit"].append(rate)
            costs.append(cost)
    ratios = [a / b for a, b in zip(*reversed(list(rates.values())), strict=True)]
    return {
        "texts": len(texts),
        "texts_per_s": rates,
        "ratio": statistics.median(ratios),
        "cpu_ms_per_text": medians(costs),
    }


def submit_file(
    servers: Servers, file: Path, count: int, settings: Mapping[str, object]
) -> tuple[float, dict[str, float]]:
    """Return texts per second, from the start of the command to the last row, and CPU ms each."""
    before, started = cpu_by_name(servers.roots), time.time()
    client = subprocess.Popen(
        [*SUBMIT, str(file)],
        env=servers.environment(**settings) | {"PYTHONPATH": os.pathsep.join(sys.path)},
        cwd=servers.folder,
        stdout=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(client.pid, 0)
    client.returncode = os.waitstatus_to_exitcode(status)
    if client.returncode:
        raise SystemExit("`plumbline submit` failed.")
    ended = servers.wait_for_rows(count, started)
    after = cpu_by_name(servers.roots)
    seconds = {name: after[name] - before.get(name, 0.0) for name in after}
    seconds["client"] = usage.ru_utime + usage.ru_stime
    return count / (ended - started), {
        name: 1000.0 * spent / count for name, spent in seconds.items()
    }


def medians(costs: list[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.median(cost[name] for cost in costs) for name in costs[0]}
