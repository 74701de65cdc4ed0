"""Counts, metrics and length buckets against hand calculations on a few texts."""

import pytest

from training.evaluation.metrics import (
    ConfusionMatrix,
    LengthRow,
    compute_metrics,
    compute_parity,
    confusion_by_length,
    confusion_matrix,
)

LABELS = [1, 1, 1, 0, 0, 0, 0, 0]
SCORES = [0.9, 0.5, 0.2, 0.8, 0.4, 0.3, 0.2, 0.1]


def test_every_text_is_in_one_cell() -> None:
    assert confusion_matrix(LABELS, SCORES) == ConfusionMatrix(tp=2, fp=1, fn=1, tn=4)


def test_metrics_are_computed_from_the_counts() -> None:
    metrics = compute_metrics(LABELS, SCORES)
    assert (metrics.rows, metrics.positives) == (8, 3)
    assert metrics.accuracy == pytest.approx(6 / 8)
    assert metrics.precision == pytest.approx(2 / 3)
    assert metrics.recall == pytest.approx(2 / 3)
    assert metrics.f1 == pytest.approx(2 / 3)
    # Of 15 pairs, the first two positives win 5 and 4; the third wins 1 and ties with one score.
    assert metrics.auc == pytest.approx((5 + 4 + 1.5) / 15)


def test_f1_is_the_harmonic_mean() -> None:
    counts = ConfusionMatrix(tp=30, fp=10, fn=2, tn=58)
    harmonic = 2 / (1 / counts.precision + 1 / counts.recall)
    assert counts.f1 == pytest.approx(harmonic)


def test_metrics_without_positive_predictions_are_zero() -> None:
    metrics = compute_metrics([1, 0, 0], [0.2, 0.1, 0.1])
    assert (metrics.precision, metrics.recall, metrics.f1, metrics.auc) == (0.0, 0.0, 0.0, 1.0)


def test_measure_without_texts_is_undefined() -> None:
    negatives = ConfusionMatrix(tp=0, fp=0, fn=0, tn=4)
    assert negatives.if_defined("accuracy") == 1.0
    assert {negatives.if_defined(name) for name in ("precision", "recall", "f1")} == {None}
    assert ConfusionMatrix(0, 0, 0, 0).if_defined("accuracy") is None


def test_length_buckets_contain_every_text_once() -> None:
    rows = confusion_by_length(
        [1, 0, 1, 0, 1], [0.9, 0.9, 0.1, 0.1, 0.7], [0, 16, 17, 33, 900], (0, 16, 32)
    )
    assert rows == [
        LengthRow(0, 16, ConfusionMatrix(tp=1, fp=1, fn=0, tn=0)),
        LengthRow(17, 32, ConfusionMatrix(tp=0, fp=0, fn=1, tn=0)),
        LengthRow(33, None, ConfusionMatrix(tp=1, fp=0, fn=0, tn=1)),
    ]


def test_empty_length_bucket_is_left_out() -> None:
    rows = confusion_by_length([1, 0], [0.9, 0.1], [3, 40], (0, 16, 32))
    assert [row.lower for row in rows] == [0, 33]


def test_parity_counts_changed_decisions() -> None:
    parity = compute_parity([0.51, 0.2, 0.9, 0.4], [0.49, 0.25, 0.9, 0.4])
    assert parity.changed_decisions == 0.25
    assert parity.largest_difference == pytest.approx(0.05)
