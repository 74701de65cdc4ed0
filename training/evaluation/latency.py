"""Latency of the served model: one text at a time, on one thread, without padding."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from time import perf_counter

import numpy as np

from scoring.runtime.protocol import Runtime

# In tokens, including [CLS] and [SEP].
LENGTHS = (16, 32, 64, 128, 256, 512)
MIN_RUNS, MAX_RUNS = 5, 50
BUDGET_S = 3.0


def measure_latency(
    runtime: Runtime,
    max_tokens: int,
    *,
    budget_s: float = BUDGET_S,
    clock: Callable[[], float] = perf_counter,
) -> dict[int, float]:
    """Return the median in milliseconds for each of LENGTHS up to `max_tokens`.

    Takes about `budget_s`, divided evenly; each length runs at least MIN_RUNS times all the same.
    """
    lengths = [length for length in LENGTHS if length <= max_tokens]
    return {
        length: _median_ms(runtime, length, budget_s / len(lengths), clock) for length in lengths
    }


def _median_ms(runtime: Runtime, length: int, budget_s: float, clock: Callable[[], float]) -> float:
    # The model is dense: its time does not depend on which tokens it reads.
    token_ids = np.ones(length, dtype=np.int32)
    # The first run of a new length includes its preparation, which a worker pays for once.
    runtime.logit(token_ids)
    runs: list[float] = []
    started = clock()
    while len(runs) < MIN_RUNS or (len(runs) < MAX_RUNS and clock() - started < budget_s):
        before = clock()
        runtime.logit(token_ids)
        runs.append(1000.0 * (clock() - before))
    return median(runs)
