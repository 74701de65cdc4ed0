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
WARM_UP_RUNS = 5
RUNS = 40


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", nargs="?", default="sms-spam")
    parser.add_argument("--models-dir", type=Path, default=Path("models"))
    options = parser.parse_args()

    resident_before = resident_mb()
    started = perf_counter()
    # Imported here because their time and memory count as well.
    from scoring.artifact.registry import resolve
    from scoring.scorer import Scorer

    scorer = Scorer.load(resolve(options.models_dir, options.model))
    loaded_s = perf_counter() - started
    table = Table("tokens", "median ms", "p95 ms", title=f"{scorer.name}, one text, one thread")
    for length in LENGTHS:
        durations_ms = sorted(measure(scorer, length))
        table.add_row(
            str(length),
            f"{statistics.median(durations_ms):.2f}",
            f"{durations_ms[int(0.95 * len(durations_ms))]:.2f}",
        )
    console = Console()
    console.print(table)
    console.print(
        f"loaded and verified in {loaded_s:.2f} s; resident memory grew by "
        f"{resident_mb() - resident_before:.0f} MB to {resident_mb():.0f} MB"
    )


def measure(scorer: object, length: int) -> list[float]:
    """Return the milliseconds of each run of the model alone, at exactly `length` tokens."""
    runtime = scorer._runtime  # type: ignore[attr-defined]
    token_ids = np.full(length, 7, dtype=np.int32)
    durations_ms = []
    for run in range(WARM_UP_RUNS + RUNS):
        started = perf_counter()
        runtime.logit(token_ids)
        if run >= WARM_UP_RUNS:
            durations_ms.append(1000.0 * (perf_counter() - started))
    return durations_ms


def resident_mb() -> float:
    return float(psutil.Process().memory_info().rss) / 1e6


if __name__ == "__main__":
    main()
