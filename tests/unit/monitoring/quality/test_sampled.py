"""Intervals of reports that are made from a sample of the texts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from monitoring.quality.combined import combined_metrics
from monitoring.quality.estimated import Floats, estimated_metrics, metrics_from_counts
from monitoring.quality.report import stratum, window_sums
from storage.reports.quality_counts import WindowCounts
from storage.reports.quality_samples import scaled, variances
from storage.states import Metric

ROWS, DRAWN, TRIALS = 4_000, 300, 120


def counts_of(probabilities: Floats) -> WindowCounts:
    positive = probabilities >= 0.5
    wrong = np.minimum(probabilities, 1.0 - probabilities)
    sides = [wrong[positive], wrong[~positive]]
    (wrong_positives, squares_positives), (wrong_negatives, squares_negatives) = (
        (float(side.sum()), float((side * side).sum())) for side in sides
    )
    return WindowCounts(
        "m",
        "live",
        "s",
        len(probabilities),
        int(positive.sum()),
        wrong_positives,
        squares_positives,
        wrong_negatives,
        squares_negatives,
        *(0, 0, 0, 0),
    )


def estimate(probabilities: Floats, random: np.random.Generator) -> WindowCounts:
    sample = counts_of(random.choice(probabilities, DRAWN, replace=False))
    weight = len(probabilities) / DRAWN
    return replace(scaled(sample, weight), variances=variances(sample, weight))


@pytest.mark.parametrize("metric", list(Metric))
def test_interval_contains_what_all_labels_would_show(metric: Metric) -> None:
    random = np.random.default_rng(1)
    contained = 0
    for _ in range(TRIALS):
        probabilities = random.beta(0.1, 0.4, ROWS)
        labels, positive = random.random(ROWS) < probabilities, probabilities >= 0.5
        truth = metrics_from_counts(
            ROWS,
            float(positive.sum()),
            np.array([(positive & ~labels).sum()]),
            np.array([(~positive & labels).sum()]),
        )[metric][0]
        estimated = estimated_metrics(window_sums(estimate(probabilities, random)))[metric]
        assert estimated.low is not None and estimated.high is not None
        contained += estimated.low <= truth <= estimated.high
    assert contained >= 0.92 * TRIALS


def test_variances_are_those_of_repeated_samples() -> None:
    random = np.random.default_rng(2)
    probabilities = random.beta(0.3, 0.6, ROWS)
    samples = [estimate(probabilities, random) for _ in range(2_000)]
    positives = np.array([sample.positives for sample in samples])
    assert np.var(positives) == pytest.approx(samples[0].variances[0], rel=0.15)
    # Given the number of positives, so without what follows from its variance.
    per_row = np.array([sample.wrong_positives / sample.positives for sample in samples])
    expected = np.mean([sample.variances[1] / sample.positives**2 for sample in samples])
    assert np.var(per_row) == pytest.approx(expected, rel=0.15)


def test_whole_window_has_no_variance() -> None:
    assert variances(counts_of(np.array([0.1, 0.9])), 1.0) == [0.0, 0.0, 0.0]


def test_labels_of_a_sampled_window_have_a_wider_interval() -> None:
    random = np.random.default_rng(3)
    counts = counts_of(random.beta(0.3, 0.6, ROWS))
    labels = [
        replace(
            counts,
            random_positives=(40, 6, 6.0, 1.5, 1.8),
            random_negatives=(60, 6, 7.0, 1.6, 2.2),
            variances=each,
        )
        for each in ([0.0] * 3, variances(counts, 40.0))
    ]
    exact, sampled = (combined_metrics([stratum(each)]) for each in labels)
    for metric in Metric:
        narrow, wide = exact[metric], sampled[metric]
        assert None not in (narrow.low, narrow.high, wide.low, wide.high)
        assert wide.high - wide.low > narrow.high - narrow.low  # type: ignore[operator]
