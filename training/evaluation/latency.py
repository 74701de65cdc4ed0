"""Latency of the served model: one text at a time, on one thread, without padding.

Other work on the machine only ever makes a run slower, so the lowest of several rounds is closest
to what the model needs. The clock is the processor time of this thread, on which LiteRT runs unless
it is asked for more threads: on an idle machine it equals the time that passes, and it leaves out
the time of other processes. A worker with free cores is faster (docs/decisions/0038).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from statistics import median
from time import thread_time
from types import MappingProxyType

import numpy as np

from scoring.runtime.protocol import Runtime

# In tokens, including [CLS] and [SEP].
LENGTHS = (16, 32, 64, 128, 256, 512)
MIN_RUNS, MAX_RUNS = 3, 10
# Rounds, and how many there are at most while a length exceeds its limit.
ROUNDS, MAX_ROUNDS = 5, 20
BUDGET_S = 3.0
NO_LIMITS: Mapping[int, float] = MappingProxyType({})


def measure_latency(
    runtime: Runtime,
    max_tokens: int,
    *,
    limits_ms: Mapping[int, float] = NO_LIMITS,
    budget_s: float = BUDGET_S,
    clock: Callable[[], float] = thread_time,
) -> dict[int, float]:
    """Return milliseconds for each of LENGTHS up to `max_tokens`: the lowest median of all rounds.

    Takes about `budget_s`, divided evenly; each length runs at least MIN_RUNS times per round.
    While a length exceeds its limit, further rounds wait for a calmer moment.
    """
    lengths = [length for length in LENGTHS if length <= max_tokens]
    lowest = dict.fromkeys(lengths, math.inf)
    share_s = budget_s / len(lengths) / ROUNDS
    for number in range(MAX_ROUNDS):
        slow = [length for length in lengths if lowest[length] > limits_ms.get(length, math.inf)]
        # The lengths take turns, so that a busy second does not fall on one of them alone.
        for length in lengths if number < ROUNDS else slow:
            lowest[length] = min(lowest[length], _median_ms(runtime, length, share_s, clock))
    return lowest


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
