"""Intervals cover the true value as often as they claim."""

import numpy as np
import pytest

from scoring.intervals import Interval, wilson
from training.evaluation.metric_intervals import Spread, metric_intervals
from training.evaluation.metrics import MEASURES


def sample(rows: int, seed: int) -> tuple[list[int], list[float]]:
    """Labels and scores of two overlapping normal distributions, 1.5 logits apart."""
    random = np.random.default_rng(seed)
    labels = (np.arange(rows) % 4 == 0).astype(int)
    logits = random.normal(size=rows) + 1.5 * labels - 0.75
    return labels.tolist(), (1 / (1 + np.exp(-logits))).tolist()


def test_same_seed_gives_same_intervals() -> None:
    labels, scores = sample(300, 1)
    assert metric_intervals(labels, scores) == metric_intervals(labels, scores)
    assert metric_intervals(labels, scores).auc != metric_intervals(labels, scores, seed=8).auc


def test_four_times_the_texts_halve_the_intervals() -> None:
    few, many = (metric_intervals(*sample(rows, 2)) for rows in (500, 2_000))
    for name in MEASURES:
        narrow, wide = getattr(many, name), getattr(few, name)
        assert (narrow.high - narrow.low) / (wide.high - wide.low) == pytest.approx(0.5, abs=0.12)


def test_95_of_100_intervals_contain_the_true_value() -> None:
    """The true value is that of 200,000 texts; 100 splits of 400 texts are compared with it."""
    labels, scores = (np.array(part) for part in sample(200_000, 3))
    truth = metric_intervals(labels.tolist(), scores.tolist(), draws=20)
    random = np.random.default_rng(4)
    covered = {"f1": 0, "auc": 0, "negative_recall": 0, "balanced_accuracy": 0, "mcc": 0}
    for _ in range(100):
        rows = random.integers(len(labels), size=400)
        intervals = metric_intervals(labels[rows].tolist(), scores[rows].tolist(), draws=200)
        for name in covered:
            exact, interval = getattr(truth, name), getattr(intervals, name)
            covered[name] += interval.low <= (exact.low + exact.high) / 2 <= interval.high
    # Within three standard deviations of 95.
    assert all(89 <= count <= 100 for count in covered.values()), covered


def test_each_interval_uses_its_own_counts() -> None:
    """Half of 400 positives are predicted positive, and no negative is.

    F1 is then 2r / (1 + r) for the recall r, whose standard deviation is 0.025.
    """
    intervals = metric_intervals([1] * 400 + [0] * 400, [0.9] * 200 + [0.1] * 600)
    assert intervals.accuracy == wilson(600, 800)
    assert intervals.precision == wilson(200, 200)
    assert intervals.recall == wilson(200, 400)
    assert intervals.negative_recall == wilson(400, 400)
    balanced = (0.75 - 1.96 * 0.0125, 0.75 + 1.96 * 0.0125)
    measured = (intervals.balanced_accuracy.low, intervals.balanced_accuracy.high)
    assert measured == pytest.approx(balanced, abs=0.002)
    low, high = (2 * r / (1 + r) for r in (0.5 - 1.96 * 0.025, 0.5 + 1.96 * 0.025))
    assert (intervals.f1.low, intervals.f1.high) == pytest.approx((low, high), abs=0.004)


def test_ties_count_half() -> None:
    assert metric_intervals([1, 0, 0] * 20, [0.3] * 60).auc == Interval(0.5, 0.5)


def test_shares_without_errors_still_have_wide_intervals() -> None:
    intervals = metric_intervals([1, 0] * 50, [0.9, 0.1] * 50)
    assert intervals.accuracy.low == pytest.approx(0.963, abs=1e-3)
    assert (intervals.f1, intervals.auc) == (Interval(1.0, 1.0), Interval(1.0, 1.0))


def test_spread_over_seeds() -> None:
    spread = Spread.of([0.95, 0.97, 0.96])
    assert (spread.runs, spread.low, spread.high) == (3, 0.95, 0.97)
    assert (spread.mean, spread.sd) == pytest.approx((0.96, 0.01))
    assert Spread.of([0.9]).sd == 0.0
    with pytest.raises(ValueError, match="at least one"):
        Spread.of([])
