"""The permutation test of a window against a reference, on generated columns."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from monitoring.drift.drift_score import Samples
from monitoring.drift.threshold import (
    PERMUTATIONS,
    Thresholds,
    _upper_quantile,
    permuted_scores,
    thresholds,
)

ALPHA = 0.05


def thresholds_of(samples: Samples, alpha: float = ALPHA, seed: int = 0) -> Thresholds:
    return thresholds(permuted_scores(samples, seed), alpha)


def columns(draw: np.random.Generator, rows: int, **shifts: float) -> dict[str, Any]:
    """Return three columns: a skewed one, one correlated with it, and labels, with `shifts`."""
    first = draw.exponential(size=rows) + shifts.get("first", 0.0)
    second = 0.5 * first + draw.normal(scale=1.0 + shifts.get("spread", 0.0), size=rows)
    shares = [0.8 - shifts.get("share", 0.0), 0.15 + shifts.get("share", 0.0), 0.05]
    labels = draw.choice(["negative", "positive", "review"], size=rows, p=shares)
    return {"first": first.tolist(), "second": second.tolist(), "label": labels.tolist()}


def test_larger_spread_with_the_same_mean_is_detected() -> None:
    draw = np.random.default_rng(3)
    reference, window = columns(draw, 800), columns(draw, 400, spread=0.6)
    samples = Samples(reference, window)
    assert samples.scores().columns["second"] > thresholds_of(samples).column


def test_change_from_one_constant_to_another_is_detected() -> None:
    samples = Samples({"x": [7.0] * 40}, {"x": [8.0] * 30})
    assert samples.scores().columns["x"] > thresholds_of(samples).column


def test_single_extreme_value_is_not_drift() -> None:
    draw = np.random.default_rng(5)
    reference, window = draw.normal(size=400).tolist(), draw.normal(size=200).tolist()
    window[0] = 1e9
    samples = Samples({"x": reference}, {"x": window})
    assert samples.scores().columns["x"] < thresholds_of(samples).column


def test_false_alarm_rate_is_at_most_alpha() -> None:
    draw = np.random.default_rng(11)
    alarms, trials = 0, 60
    for trial in range(trials):
        samples = Samples(columns(draw, 120), columns(draw, 60))
        scores, limits = samples.scores(), thresholds_of(samples, seed=trial)
        alarms += scores.joint > limits.joint or max(scores.columns.values()) > limits.column
    # At 5%, nine or more alarms in 60 trials occur once in 500 runs. The seeds are fixed.
    assert alarms < 9


@pytest.mark.parametrize("shifts", [{"first": 0.5}, {"share": 0.15}, {"spread": 0.6}])
def test_joint_score_detects_a_change_of_one_column(shifts: dict[str, float]) -> None:
    draw = np.random.default_rng(17)
    samples = Samples(columns(draw, 800), columns(draw, 400, **shifts))
    assert samples.scores().joint > thresholds_of(samples, 0.01).joint


def test_same_seed_gives_the_same_thresholds() -> None:
    draw = np.random.default_rng(19)
    samples = Samples(columns(draw, 100), columns(draw, 50))
    assert thresholds_of(samples, seed=4) == thresholds_of(samples, seed=4)
    assert isinstance(thresholds_of(samples), Thresholds)


@pytest.mark.parametrize(("share", "above"), [(0.05, 4), (0.01, 0), (1e-9, 0)])
def test_share_of_draws_above_the_threshold(share: float, above: int) -> None:
    draws = np.arange(99.0)
    threshold = _upper_quantile(draws, share)
    # The window's own score is one more draw, so shares are of 100.
    assert int((draws > threshold).sum()) == above


def test_there_are_enough_permutations_for_the_default_rate() -> None:
    assert math.floor(0.01 * 0.2 * (PERMUTATIONS + 1)) >= 5
