"""Intervals against published values and by simulation."""

import numpy as np
import pytest

from scoring.intervals import Interval, paired_difference, wilson


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        # Newcombe (1998), table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_returns_the_published_intervals(
    successes: int, trials: int, low: float, high: float
) -> None:
    interval = wilson(successes, trials)
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=5e-5)


def test_wilson_is_symmetric() -> None:
    few, many = wilson(3, 40), wilson(37, 40)
    assert (few.low, few.high) == pytest.approx((1 - many.high, 1 - many.low))


def test_wilson_of_no_trials_is_the_whole_range() -> None:
    assert wilson(0, 0) == Interval(0.0, 1.0)


@pytest.mark.parametrize(("right", "wrong"), [(0.0, 0.0), (0.02, 0.05), (0.2, 0.1)])
@pytest.mark.parametrize("trials", [30, 300])
def test_paired_difference_covers_the_true_one(right: float, wrong: float, trials: int) -> None:
    cells = np.random.default_rng(4).multinomial(trials, [right, wrong, 1 - right - wrong], 1_000)
    intervals = [paired_difference(int(row[0]), int(row[1]), trials) for row in cells]
    held = [interval.low <= right - wrong <= interval.high for interval in intervals]
    assert np.mean(held) >= 0.94


def test_equal_answers_are_no_certainty() -> None:
    interval = paired_difference(0, 0, 12)
    assert interval.low == -interval.high < -0.05
    assert paired_difference(0, 0, 0) == Interval(-1.0, 1.0)
