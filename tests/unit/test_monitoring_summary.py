from __future__ import annotations

import pytest

from monitoring.summary import number, p_value, summary, too_little_data
from monitoring.verdict import Finding, Method
from monitoring.window import Columns

REFERENCE: Columns = {"chars": [70.0, 90.0], "upper_share": [0.05, 0.07]}
WINDOW: Columns = {"chars": [80.0, 82.0], "upper_share": [0.3, 0.32]}
LABELS = {
    "labels": ["negative", "positive", "review"],
    "reference": [0.86, 0.12, 0.02],
    "window": [0.5, 0.3, 0.2],
}
NUMBERS = {"chars": {"edges": []}, "upper_share": {"edges": []}, "decision": LABELS}


def ks(feature: str, value: float) -> Finding:
    return Finding(feature, Method.KS, value, 0.01)


def test_what_drifted_most_is_named_with_its_means() -> None:
    findings = [ks("chars", 0.004), ks("upper_share", 2e-9)]
    assert summary(findings, REFERENCE, WINDOW, NUMBERS) == (
        "2 of 2 columns drifted, most of all upper_share (p = 2e-09, mean 0.31, was 0.06)"
    )


def test_where_nothing_drifted_the_nearest_is_named() -> None:
    findings = [ks("chars", 0.03), ks("upper_share", 0.4)]
    assert summary(findings, REFERENCE, WINDOW, NUMBERS) == (
        "none of 2 columns drifted; the nearest was chars (p = 0.03, mean 81, was 80)"
    )


def test_of_decisions_the_share_that_moved_furthest_is_told() -> None:
    findings = [Finding("decision", Method.CHI_SQUARE, 0.0, 0.01)]
    assert summary(findings, REFERENCE, WINDOW, NUMBERS) == (
        "1 of 1 column drifted, most of all decision (p < 1e-300, 50.0% negative, was 86.0%)"
    )


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (0, "0 predictions in the window, and 30 are needed to judge"),
        (1, "1 prediction in the window, and 30 are needed to judge"),
    ],
)
def test_too_few_rows_are_counted(found: int, told: str) -> None:
    assert too_little_data(found, 30) == told


@pytest.mark.parametrize(
    ("value", "told"), [(0.0, "0"), (0.0612, "0.061"), (99.4, "99"), (1234.5, "1,234")]
)
def test_a_number_is_short(value: float, told: str) -> None:
    assert number(value) == told


@pytest.mark.parametrize(
    ("value", "told"), [(1.0, "p = 1"), (0.0321, "p = 0.03"), (1.3e-12, "p = 1e-12")]
)
def test_a_p_value_has_one_digit(value: float, told: str) -> None:
    assert p_value(value) == told
