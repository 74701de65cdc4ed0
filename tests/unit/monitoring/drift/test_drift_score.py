"""Drift scores of generated columns, compared with classical tests computed by hand."""

from __future__ import annotations

import math

import pytest

from monitoring.drift.drift_score import Samples


def test_score_of_a_binary_column_equals_the_two_sample_z() -> None:
    # For values 0 and 1 the square adds nothing, so T is the two-sample z with pooled variance.
    reference, window = [0.0] * 60 + [1.0] * 40, [0.0] * 10 + [1.0] * 40
    share = 80 / 150
    expected = (0.8 - 0.4) / math.sqrt(share * (1 - share) * (1 / 100 + 1 / 50))
    scores = Samples({"x": reference}, {"x": window}).scores()
    assert scores.columns["x"] == pytest.approx(expected, rel=1e-5)


def test_score_of_labels_equals_the_chi_square_test() -> None:
    reference = ["negative"] * 20 + ["positive"] * 20
    window = ["negative"] * 10 + ["positive"] * 10 + ["review"] * 20
    scores = Samples({"x": reference}, {"x": window}).scores()
    # Chi-square by hand; for two rows of counts it is Hotelling's T² of the indicators.
    assert scores.columns["x"] == pytest.approx(math.sqrt(10 / 3 + 10 / 3 + 20), rel=1e-5)


def test_constant_columns_have_a_score_of_zero() -> None:
    samples = Samples({"x": [7.0] * 40, "y": ["a"] * 40}, {"x": [7.0] * 30, "y": ["a"] * 30})
    scores = samples.scores()
    assert scores.columns == {"x": 0.0, "y": 0.0}
    assert scores.joint == 0.0
