"""How long one text takes: the served model, one thread, one text, its exact length."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from time import perf_counter

import numpy as np

from scoring.runtime.protocol import Runtime

# In tokens, [CLS] and [SEP] included.
LENGTHS = (16, 32, 64, 128, 256, 512)
FEWEST_RUNS, MOST_RUNS = 5, 50
BUDGET_S = 3.0


def latency(
    runtime: Runtime,
    max_tokens: int,
    *,
    budget_s: float = BUDGET_S,
    clock: Callable[[], float] = perf_counter,
) -> dict[int, float]:
    """Median milliseconds for each of LENGTHS that the model reads at once.

    About `budget_s` in all, parted evenly; a length gets FEWEST_RUNS even where that takes longer.
    """
    lengths = [length for length in LENGTHS if length <= max_tokens]
    return {
        length: _median_ms(runtime, length, budget_s / len(lengths), clock) for length in lengths
    }


def _median_ms(runtime: Runtime, length: int, budget_s: float, clock: Callable[[], float]) -> float:
    # Which tokens they are changes nothing: the model is dense.
    token_ids = np.ones(length, dtype=np.int32)
    # A new length is prepared at its first run, which a worker pays for once.
    runtime.logit(token_ids)
    runs: list[float] = []
    started = clock()
    while len(runs) < FEWEST_RUNS or (len(runs) < MOST_RUNS and clock() - started < budget_s):
        before = clock()
        runtime.logit(token_ids)
        runs.append(1000.0 * (clock() - before))
    return median(runs)
