"""The figures of a backtest from its counts."""

from __future__ import annotations

import pytest

from plumbline.backtest.comparison import Answer, BacktestRow, Tally, rows
from scoring.intervals import paired_difference, wilson
from scoring.score import Decision

POSITIVE, NEGATIVE = Answer("positive", 1), Answer("negative", 0)
REVIEW = Answer("review", 1)


def tally(*texts: tuple[Answer, Answer, int | None], is_random: bool = True) -> Tally:
    counted = Tally()
    for live, candidate, label in texts:
        counted.add(live, candidate, label, is_random)
    return counted


def test_changed_decisions_are_counted_by_what_they_become() -> None:
    row = tally(
        (NEGATIVE, POSITIVE, None),
        (NEGATIVE, POSITIVE, None),
        (POSITIVE, REVIEW, None),
        (REVIEW, NEGATIVE, None),
        (POSITIVE, POSITIVE, None),
    ).row("shop")
    assert (row.source, row.texts, row.changed) == ("shop", 5, 4)
    assert row.to == {Decision.POSITIVE: 2, Decision.REVIEW: 1, Decision.NEGATIVE: 1}


def test_without_labels_there_are_no_metrics() -> None:
    row = tally((NEGATIVE, POSITIVE, None)).row(None)
    assert (row.labelled, row.random_labels) == (0, 0)
    assert (row.live, row.candidate, row.difference, row.verdict) == (None, None, None, None)
    assert row.f1 == (None, None)


def test_both_sides_are_rated_on_the_same_labelled_texts() -> None:
    texts: list[tuple[Answer, Answer, int | None]] = [
        *[(NEGATIVE, POSITIVE, 1)] * 12,
        *[(NEGATIVE, POSITIVE, 0)] * 3,
        *[(POSITIVE, POSITIVE, 1)] * 25,
        *[(NEGATIVE, NEGATIVE, 0)] * 50,
        *[(POSITIVE, POSITIVE, 0)] * 10,
        (NEGATIVE, POSITIVE, None),
    ]
    row = tally(*texts).row(None)
    assert (row.labelled, row.newly_right, row.newly_wrong) == (100, 12, 3)
    assert row.live is not None and row.candidate is not None and row.difference is not None
    assert (row.live.value, row.candidate.value) == (0.78, 0.87)
    assert row.difference.value == pytest.approx(0.09)
    interval = paired_difference(12, 3, 100)
    assert (row.difference.low, row.difference.high) == (interval.low, interval.high)
    assert row.candidate.low == wilson(87, 100).low
    # Live: tp 25, fp 10, fn 12. Candidate: tp 37, fp 13, fn 0.
    assert row.f1 == (pytest.approx(50 / 72), pytest.approx(74 / 87))
    assert row.verdict == "better"


def test_a_review_is_rated_by_its_predicted_label() -> None:
    row = tally((REVIEW, NEGATIVE, 1)).row(None)
    assert (row.changed, row.newly_right, row.newly_wrong) == (1, 0, 1)


@pytest.mark.parametrize(
    ("right", "wrong", "verdict"),
    [(40, 2, "better"), (2, 40, "worse"), (4, 3, "undecided"), (0, 0, "undecided")],
)
def test_verdict_allows_for_chance(right: int, wrong: int, verdict: str) -> None:
    texts: list[tuple[Answer, Answer, int | None]] = [
        *[(NEGATIVE, POSITIVE, 1)] * right,
        *[(NEGATIVE, POSITIVE, 0)] * wrong,
        *[(NEGATIVE, NEGATIVE, 0)] * 100,
    ]
    assert tally(*texts).row(None).verdict == verdict


def test_sources_are_ordered_by_size_and_the_last_row_is_their_sum() -> None:
    one = tally((NEGATIVE, POSITIVE, 1))
    two = tally((NEGATIVE, NEGATIVE, None), (POSITIVE, REVIEW, 1), is_random=False)
    result: list[BacktestRow] = rows({"a": one, "b": two})
    assert [(row.source, row.texts, row.changed) for row in result] == [
        ("b", 2, 1),
        ("a", 1, 1),
        (None, 3, 2),
    ]
    assert (result[-1].labelled, result[-1].random_labels) == (2, 1)
    assert rows({})[0].texts == 0
