"""The permutation test of a window against a reference, on numbers made for it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from monitoring.drift.scores import PERMUTATIONS, Samples, Thresholds, _exceeded_by

ALPHA = 0.05


def columns(draw: np.random.Generator, rows: int, **moved: float) -> dict[str, Any]:
    """Three columns: skewed, correlated with it, and labels. `moved` shifts them."""
    first = draw.exponential(size=rows) + moved.get("first", 0.0)
    second = 0.5 * first + draw.normal(scale=1.0 + moved.get("spread", 0.0), size=rows)
    shares = [0.8 - moved.get("share", 0.0), 0.15 + moved.get("share", 0.0), 0.05]
    labels = draw.choice(["negative", "positive", "review"], size=rows, p=shares)
    return {"first": first.tolist(), "second": second.tolist(), "label": labels.tolist()}


def test_two_means_lie_as_far_apart_as_hotelling_says() -> None:
    # Of values 0 and 1 the square says nothing more, so T is the two-sample z with pooled variance.
    reference, window = [0.0] * 60 + [1.0] * 40, [0.0] * 10 + [1.0] * 40
    share = 80 / 150
    wanted = (0.8 - 0.4) / math.sqrt(share * (1 - share) * (1 / 100 + 1 / 50))
    shift = Samples({"x": reference}, {"x": window}).shift()
    assert shift.columns["x"] == pytest.approx(wanted, rel=1e-5)


def test_labels_lie_as_far_apart_as_the_chi_square_test_says() -> None:
    reference = ["negative"] * 20 + ["positive"] * 20
    window = ["negative"] * 10 + ["positive"] * 10 + ["review"] * 20
    shift = Samples({"x": reference}, {"x": window}).shift()
    # Chi-square by hand; on two rows of counts it is Hotelling's T² of the indicators.
    assert shift.columns["x"] == pytest.approx(math.sqrt(10 / 3 + 10 / 3 + 20), rel=1e-5)


def test_a_spread_that_grew_is_seen_where_the_mean_stayed() -> None:
    draw = np.random.default_rng(3)
    reference, window = columns(draw, 800), columns(draw, 400, spread=0.6)
    samples = Samples(reference, window)
    assert samples.shift().columns["second"] > samples.thresholds(ALPHA).column


def test_what_never_changes_is_no_distance_away() -> None:
    shift = Samples({"x": [7.0] * 40, "y": ["a"] * 40}, {"x": [7.0] * 30, "y": ["a"] * 30}).shift()
    assert shift.columns == {"x": 0.0, "y": 0.0}
    assert shift.joint == 0.0


def test_a_constant_that_became_another_is_far_away() -> None:
    samples = Samples({"x": [7.0] * 40}, {"x": [8.0] * 30})
    assert samples.shift().columns["x"] > samples.thresholds(ALPHA).column


def test_one_enormous_value_does_not_make_a_drift() -> None:
    draw = np.random.default_rng(5)
    reference, window = draw.normal(size=400).tolist(), draw.normal(size=200).tolist()
    window[0] = 1e9
    samples = Samples({"x": reference}, {"x": window})
    assert samples.shift().columns["x"] < samples.thresholds(ALPHA).column


def test_false_alarms_come_at_the_rate_that_was_asked_for() -> None:
    draw = np.random.default_rng(11)
    alarms, trials = 0, 60
    for trial in range(trials):
        samples = Samples(columns(draw, 120), columns(draw, 60))
        shift, limits = samples.shift(), samples.thresholds(ALPHA, seed=trial)
        alarms += shift.joint > limits.joint or max(shift.columns.values()) > limits.column
    # At 5% nine or more of 60 come once in 500 runs; this run is the same each time.
    assert alarms < 9


@pytest.mark.parametrize("moved", [{"first": 0.5}, {"share": 0.15}, {"spread": 0.6}])
def test_a_change_of_one_column_is_found(moved: dict[str, float]) -> None:
    draw = np.random.default_rng(17)
    samples = Samples(columns(draw, 800), columns(draw, 400, **moved))
    assert samples.shift().joint > samples.thresholds(0.01).joint


def test_the_same_seed_gives_the_same_thresholds() -> None:
    draw = np.random.default_rng(19)
    samples = Samples(columns(draw, 100), columns(draw, 50))
    assert samples.thresholds(ALPHA, seed=4) == samples.thresholds(ALPHA, seed=4)
    assert isinstance(samples.thresholds(ALPHA), Thresholds)


@pytest.mark.parametrize(("share", "above"), [(0.05, 4), (0.01, 0), (1e-9, 0)])
def test_a_threshold_leaves_its_share_of_draws_above_it(share: float, above: int) -> None:
    draws = np.arange(99.0)
    limit = _exceeded_by(draws, share)
    # One more draw, the window's own, makes it a share of 100.
    assert int((draws > limit).sum()) == above


def test_there_are_enough_permutations_for_the_default_rate() -> None:
    assert math.floor(0.01 * 0.2 * (PERMUTATIONS + 1)) >= 5
