"""The median of one length after another, on a clock that the fake model moves."""

import pytest
from numpy import int32
from numpy.typing import NDArray

from training.evaluation.latency import FEWEST_RUNS, MOST_RUNS, latency


class SlowRuntime:
    """A tenth of a millisecond a token, ten times that for the first of each length and once."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.runs: dict[int, int] = {}

    def logit(self, token_ids: NDArray[int32]) -> float:
        length = len(token_ids)
        self.runs[length] = self.runs.get(length, 0) + 1
        self.now_s += (10 if self.runs[length] in (1, 3) else 1) * 1e-4 * length
        return 0.0


def test_a_median_for_each_length_up_to_the_models() -> None:
    runtime = SlowRuntime()
    found = latency(runtime, 200, clock=lambda: runtime.now_s)
    assert list(found) == [16, 32, 64, 128]
    assert list(found.values()) == pytest.approx([1.6, 3.2, 6.4, 12.8])


def test_the_budget_ends_a_slow_one_and_a_quick_one_ends_by_itself() -> None:
    runtime = SlowRuntime()
    latency(runtime, 512, budget_s=0.6, clock=lambda: runtime.now_s)
    assert runtime.runs[16] == 1 + MOST_RUNS
    assert runtime.runs[512] == 1 + FEWEST_RUNS
    assert FEWEST_RUNS < runtime.runs[64] - 1 < MOST_RUNS
