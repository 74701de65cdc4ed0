"""Intervals against published values, and against the chance they are meant to measure."""

import numpy as np
import pytest

from scoring.intervals import Interval, wilson
from training.evaluation.intervals import Spread, intervals


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    [
        # Newcombe (1998), table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_gives_the_published_intervals(hits: int, of: int, low: float, high: float) -> None:
    found = wilson(hits, of)
    assert (found.low, found.high) == pytest.approx((low, high), abs=5e-5)


def test_wilson_is_mirrored_and_says_nothing_of_no_texts() -> None:
    few, many = wilson(3, 40), wilson(37, 40)
    assert (few.low, few.high) == pytest.approx((1 - many.high, 1 - many.low))
    assert wilson(0, 0) == Interval(0.0, 1.0)


def drawn(rows: int, seed: int) -> tuple[list[int], list[float]]:
    """Two overlapping bells: positives a score and a half above the rest."""
    random = np.random.default_rng(seed)
    labels = (np.arange(rows) % 4 == 0).astype(int)
    logits = random.normal(size=rows) + 1.5 * labels - 0.75
    return labels.tolist(), (1 / (1 + np.exp(-logits))).tolist()


def test_the_same_seed_gives_the_same_intervals() -> None:
    labels, scores = drawn(300, 1)
    assert intervals(labels, scores) == intervals(labels, scores)
    assert intervals(labels, scores).auc != intervals(labels, scores, seed=8).auc


def test_four_times_the_texts_halve_the_intervals() -> None:
    few, many = (intervals(*drawn(rows, 2)) for rows in (500, 2_000))
    for name in ("accuracy", "precision", "recall", "f1", "auc"):
        narrow, wide = getattr(many, name), getattr(few, name)
        assert (narrow.high - narrow.low) / (wide.high - wide.low) == pytest.approx(0.5, abs=0.12)


def test_nineteen_of_twenty_intervals_hold_the_truth() -> None:
    """The truth is what 200,000 texts give; 100 splits of 400 texts must agree with it."""
    labels, scores = (np.array(part) for part in drawn(200_000, 3))
    truth = intervals(labels.tolist(), scores.tolist(), draws=20)
    random = np.random.default_rng(4)
    held = {"f1": 0, "auc": 0}
    for _ in range(100):
        some = random.integers(len(labels), size=400)
        found = intervals(labels[some].tolist(), scores[some].tolist(), draws=200)
        for name in held:
            exact, guess = getattr(truth, name), getattr(found, name)
            held[name] += guess.low <= (exact.low + exact.high) / 2 <= guess.high
    # Three standard deviations of chance round 95.
    assert all(89 <= count <= 99 for count in held.values()), held


def test_each_interval_is_of_its_own_counts() -> None:
    """Half of 400 positives are found, and nothing is called positive wrongly.

    F1 is then 2r / (1 + r) of the recall r, whose standard deviation is 0.025.
    """
    found = intervals([1] * 400 + [0] * 400, [0.9] * 200 + [0.1] * 600)
    assert found.accuracy == wilson(600, 800)
    assert found.precision == wilson(200, 200)
    assert found.recall == wilson(200, 400)
    low, high = (2 * r / (1 + r) for r in (0.5 - 1.96 * 0.025, 0.5 + 1.96 * 0.025))
    assert (found.f1.low, found.f1.high) == pytest.approx((low, high), abs=0.004)


def test_ties_count_half() -> None:
    assert intervals([1, 0, 0] * 20, [0.3] * 60).auc == Interval(0.5, 0.5)


def test_where_nothing_is_wrong_the_shares_still_have_a_width() -> None:
    found = intervals([1, 0] * 50, [0.9, 0.1] * 50)
    assert found.accuracy.low == pytest.approx(0.963, abs=1e-3)
    assert (found.f1, found.auc) == (Interval(1.0, 1.0), Interval(1.0, 1.0))


def test_a_spread_over_seeds() -> None:
    found = Spread.of([0.95, 0.97, 0.96])
    assert (found.runs, found.low, found.high) == (3, 0.95, 0.97)
    assert (found.mean, found.sd) == pytest.approx((0.96, 0.01))
    assert Spread.of([0.9]).sd == 0.0
    with pytest.raises(ValueError, match="at least one"):
        Spread.of([])
