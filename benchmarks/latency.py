"""Milliseconds to score one text, by its length, in one process and one thread; start and memory.

.venv/bin/python benchmarks/latency.py [NAME/VERSION] [--models-dir models]
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path
from time import perf_counter

import numpy as np
import psutil
from rich.console import Console
from rich.table import Table

LENGTHS = (16, 32, 64, 128, 256, 512)
WARM_UP = 5
RUNS = 40


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", nargs="?", default="sms-spam")
    parser.add_argument("--models-dir", type=Path, default=Path("models"))
    options = parser.parse_args()

    before = resident()
    started = perf_counter()
    from scoring.artifact.registry import resolve
    from scoring.scorer import Scorer

    scorer = Scorer.load(resolve(options.models_dir, options.model))
    loaded_s = perf_counter() - started
    table = Table("tokens", "median ms", "p95 ms", title=f"{scorer.name}, one text, one thread")
    for length in LENGTHS:
        times = sorted(measure(scorer, length))
        table.add_row(
            str(length),
            f"{statistics.median(times):.2f}",
            f"{times[int(0.95 * len(times))]:.2f}",
        )
    console = Console()
    console.print(table)
    console.print(
        f"loaded and verified in {loaded_s:.2f} s; {resident() - before:.0f} MB more resident, "
        f"{resident():.0f} MB in all"
    )


def measure(scorer: object, length: int) -> list[float]:
    """Milliseconds of each run through the model alone, at exactly `length` tokens."""
    runtime = scorer._runtime  # type: ignore[attr-defined]
    tokens = np.full(length, 7, dtype=np.int32)
    times = []
    for run in range(WARM_UP + RUNS):
        started = perf_counter()
        runtime.logit(tokens)
        if run >= WARM_UP:
            times.append(1000.0 * (perf_counter() - started))
    return times


def resident() -> float:
    """Megabytes of this process in memory."""
    return psutil.Process().memory_info().rss / 1e6


if __name__ == "__main__":
    main()
