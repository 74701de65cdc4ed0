"""The median of each length, on a clock that the fake model advances."""

import pytest
from numpy import int32
from numpy.typing import NDArray

from training.evaluation.latency import MAX_RUNS, MIN_RUNS, measure_latency


class SlowRuntime:
    """Takes 0.1 ms per token, and ten times as long in the first and third run of each length."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.runs: dict[int, int] = {}

    def logit(self, token_ids: NDArray[int32]) -> float:
        length = len(token_ids)
        self.runs[length] = self.runs.get(length, 0) + 1
        self.now_s += (10 if self.runs[length] in (1, 3) else 1) * 1e-4 * length
        return 0.0


def test_median_is_measured_for_each_length_up_to_the_maximum() -> None:
    runtime = SlowRuntime()
    latency_ms = measure_latency(runtime, 200, clock=lambda: runtime.now_s)
    assert list(latency_ms) == [16, 32, 64, 128]
    assert list(latency_ms.values()) == pytest.approx([1.6, 3.2, 6.4, 12.8])


def test_budget_limits_slow_lengths_and_run_count_limits_fast_ones() -> None:
    runtime = SlowRuntime()
    measure_latency(runtime, 512, budget_s=0.6, clock=lambda: runtime.now_s)
    assert runtime.runs[16] == 1 + MAX_RUNS
    assert runtime.runs[512] == 1 + MIN_RUNS
    assert MIN_RUNS < runtime.runs[64] - 1 < MAX_RUNS
