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


def test_measures_of_both_classes_match_hand_calculation() -> None:
    metrics = compute_metrics(LABELS, SCORES)
    assert metrics.negative_recall == pytest.approx(4 / 5)
    assert metrics.balanced_accuracy == pytest.approx((2 / 3 + 4 / 5) / 2)
    assert metrics.mcc == pytest.approx((2 * 4 - 1 * 1) / (3 * 3 * 5 * 5) ** 0.5)


@pytest.mark.parametrize("share", [0.01, 0.5, 0.97])
@pytest.mark.parametrize("answer", [0.0, 0.4, 0.6, 1.0])
def test_constant_answer_has_no_skill_at_any_class_share(share: float, answer: float) -> None:
    positives = round(1_000 * share)
    labels = [1] * positives + [0] * (1_000 - positives)
    metrics = compute_metrics(labels, [answer] * 1_000)
    assert (metrics.balanced_accuracy, metrics.mcc) == (0.5, 0.0)
    assert min(metrics.recall, metrics.negative_recall) == 0.0


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


def test_parity_counts_labels_that_change_as_the_metrics_do() -> None:
    int8, float32 = [0.51, 0.69, 0.9, 0.4], [0.49, 0.71, 0.9, 0.4]
    parity = compute_parity(int8, float32, threshold=0.7)
    assert parity.changed_decisions == 0.25
    labels = [1, 1, 1, 0]
    accuracies = [compute_metrics(labels, side).accuracy for side in (int8, float32)]
    assert abs(accuracies[0] - accuracies[1]) == parity.changed_decisions
    # Both sides give the second text the same label, but only one leaves it to a person.
    assert parity.changed_reviews == 0.25
    assert parity.largest_difference == pytest.approx(0.02)
