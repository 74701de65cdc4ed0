from __future__ import annotations

import pytest

from monitoring.drift.summary import number, summary, too_few_to_compare_with, too_little_data
from monitoring.drift.verdict import JOINT, Finding, Method
from monitoring.drift.window import Columns

REFERENCE: Columns = {"chars": [70.0, 90.0], "upper_share": [0.05, 0.07]}
WINDOW: Columns = {"chars": [80.0, 82.0], "upper_share": [0.3, 0.32]}
LABELS = {
    "labels": ["negative", "positive", "review"],
    "reference": [0.86, 0.12, 0.02],
    "window": [0.5, 0.3, 0.2],
}
HISTOGRAMS = {"chars": {"edges": []}, "upper_share": {"edges": []}, "decision": LABELS}


def distance(feature: str, value: float, threshold: float = 4.0) -> Finding:
    return Finding(feature, Method.MEAN_AND_SPREAD, value, threshold)


def told(*findings: Finding) -> str:
    return summary(findings, REFERENCE, WINDOW, HISTOGRAMS)


def test_what_drifted_most_is_named_with_its_means() -> None:
    found = told(distance(JOINT, 9, 7), distance("chars", 4.4), distance("upper_share", 12.3))
    assert found == (
        "2 of 2 columns drifted, most of all upper_share (12, drift above 4; mean 0.31, was 0.06)"
    )


def test_where_nothing_drifted_the_nearest_is_named() -> None:
    found = told(distance(JOINT, 5, 7), distance("chars", 2.1), distance("upper_share", 1.0))
    assert found == (
        "none of 2 columns drifted; the nearest was chars (2.1, drift above 4; mean 81, was 80)"
    )


def test_drift_of_all_together_is_told_where_no_column_drifted_alone() -> None:
    found = told(distance(JOINT, 8, 7), distance("chars", 3.9), distance("upper_share", 1.0))
    assert found.startswith(
        "no column by itself, but 2 columns together drifted, most of all chars"
    )


def test_of_decisions_the_share_that_moved_furthest_is_told() -> None:
    found = told(Finding("decision", Method.SHARES, 9.0, 4.0))
    assert found == (
        "1 of 1 column drifted, most of all decision (9, drift above 4; 50.0% negative, was 86.0%)"
    )


def test_what_has_no_histogram_is_told_by_its_value() -> None:
    found = told(Finding("text", "perc_text_content_drift", 0.99, 0.95))
    assert found == "1 of 1 column drifted, most of all text (0.99, drift above 0.95)"


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (0, "0 predictions in the window, and 30 are needed to judge"),
        (1, "1 prediction in the window, and 30 are needed to judge"),
    ],
)
def test_too_few_rows_are_counted(found: int, expected: str) -> None:
    assert too_little_data(found, 30) == expected


def test_too_few_to_compare_with_are_counted() -> None:
    assert too_few_to_compare_with(3, 30) == (
        "3 predictions before the window, and 30 are needed to compare with"
    )


@pytest.mark.parametrize(
    ("value", "expected"), [(0.0, "0"), (0.0612, "0.061"), (99.4, "99"), (1234.5, "1,234")]
)
def test_a_number_is_short(value: float, expected: str) -> None:
    assert number(value) == expected
