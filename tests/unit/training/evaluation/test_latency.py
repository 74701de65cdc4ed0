"""The lowest median of each length, on a clock that the fake model advances."""

import pytest
from numpy import int32
from numpy.typing import NDArray

from training.evaluation.latency import (
    MAX_ROUNDS,
    MAX_RUNS,
    MIN_RUNS,
    ROUNDS,
    measure_latency,
)


class SlowRuntime:
    """Takes 0.1 ms per token, and ten times as long in the first runs of all."""

    def __init__(self, busy_runs: int = 0) -> None:
        self.now_s = 0.0
        self.busy_runs = busy_runs
        self.runs: dict[int, int] = {}

    def logit(self, token_ids: NDArray[int32], threads: int = 1) -> float:
        length = len(token_ids)
        self.runs[length] = self.runs.get(length, 0) + 1
        self.now_s += (10 if sum(self.runs.values()) <= self.busy_runs else 1) * 1e-4 * length
        return 0.0


def test_lowest_round_is_reported_for_each_length_up_to_the_maximum() -> None:
    runtime = SlowRuntime(busy_runs=60)
    latency_ms = measure_latency(runtime, 200, clock=lambda: runtime.now_s)
    assert list(latency_ms) == [16, 32, 64, 128]
    assert list(latency_ms.values()) == pytest.approx([1.6, 3.2, 6.4, 12.8])


def test_budget_limits_slow_lengths_and_run_count_limits_fast_ones() -> None:
    runtime = SlowRuntime()
    measure_latency(runtime, 512, budget_s=0.6, clock=lambda: runtime.now_s)
    assert runtime.runs[16] == ROUNDS * (1 + MAX_RUNS)
    assert runtime.runs[512] == ROUNDS * (1 + MIN_RUNS)
    assert MIN_RUNS < runtime.runs[32] / ROUNDS - 1 < MAX_RUNS


def test_busy_machine_is_waited_for_while_a_limit_is_exceeded() -> None:
    runtime = SlowRuntime(busy_runs=150)
    limits = {16: 2.0, 32: 100.0}
    latency_ms = measure_latency(runtime, 32, limits_ms=limits, clock=lambda: runtime.now_s)
    assert latency_ms == {16: pytest.approx(1.6), 32: pytest.approx(32.0)}


def test_slow_model_is_measured_a_limited_number_of_times() -> None:
    runtime = SlowRuntime()
    measure_latency(runtime, 16, limits_ms={16: 1.0}, clock=lambda: runtime.now_s)
    assert runtime.runs[16] == MAX_ROUNDS * (1 + MAX_RUNS)
