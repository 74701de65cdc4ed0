"""Counts, measures and length buckets, against what a few texts give by hand."""

import pytest

from training.evaluation.metrics import Confusion, LengthRow, by_length, compare, confusion, measure

LABELS = [1, 1, 1, 0, 0, 0, 0, 0]
SCORES = [0.9, 0.5, 0.2, 0.8, 0.4, 0.3, 0.2, 0.1]


def test_every_text_is_in_one_cell() -> None:
    assert confusion(LABELS, SCORES) == Confusion(tp=2, fp=1, fn=1, tn=4)


def test_measures_follow_from_the_counts() -> None:
    found = measure(LABELS, SCORES)
    assert (found.rows, found.positives) == (8, 3)
    assert found.accuracy == pytest.approx(6 / 8)
    assert found.precision == pytest.approx(2 / 3)
    assert found.recall == pytest.approx(2 / 3)
    assert found.f1 == pytest.approx(2 / 3)
    # Of 15 pairs: 5 and 4 won by the first two, and 2 and a tie with 0.2 by the third.
    assert found.auc == pytest.approx((5 + 4 + 1.5) / 15)


def test_f1_is_the_harmonic_mean() -> None:
    counts = Confusion(tp=30, fp=10, fn=2, tn=58)
    harmonic = 2 / (1 / counts.precision + 1 / counts.recall)
    assert counts.f1 == pytest.approx(harmonic)


def test_a_model_that_never_says_positive_has_measures_of_zero() -> None:
    found = measure([1, 0, 0], [0.2, 0.1, 0.1])
    assert (found.precision, found.recall, found.f1, found.auc) == (0.0, 0.0, 0.0, 1.0)


def test_buckets_are_by_tokens_and_hold_every_text_once() -> None:
    rows = by_length([1, 0, 1, 0, 1], [0.9, 0.9, 0.1, 0.1, 0.7], [0, 16, 17, 33, 900], (0, 16, 32))
    assert rows == [
        LengthRow(0, 16, Confusion(tp=1, fp=1, fn=0, tn=0)),
        LengthRow(17, 32, Confusion(tp=0, fp=0, fn=1, tn=0)),
        LengthRow(33, None, Confusion(tp=1, fp=0, fn=0, tn=1)),
    ]


def test_a_bucket_without_texts_is_left_out() -> None:
    assert [row.lower for row in by_length([1, 0], [0.9, 0.1], [3, 40], (0, 16, 32))] == [0, 33]


def test_parity_counts_changed_decisions_not_changed_digits() -> None:
    found = compare([0.51, 0.2, 0.9, 0.4], [0.49, 0.25, 0.9, 0.4])
    assert found.changed_decisions == 0.25
    assert found.largest_difference == pytest.approx(0.05)
