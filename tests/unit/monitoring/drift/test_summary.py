from __future__ import annotations

import pytest

from monitoring.drift.summary import (
    drift_summary,
    format_number,
    too_few_in_reference,
    too_few_in_window,
)
from monitoring.drift.verdict import FeatureDrift, Method
from monitoring.drift.window import Columns
from storage.states import JOINT_FEATURE

REFERENCE: Columns = {"chars": [70.0, 90.0], "upper_share": [0.05, 0.07]}
WINDOW: Columns = {"chars": [80.0, 82.0], "upper_share": [0.3, 0.32]}
LABELS = {
    "labels": ["negative", "positive", "review"],
    "reference": [0.86, 0.12, 0.02],
    "window": [0.5, 0.3, 0.2],
}
HISTOGRAMS = {"chars": {"edges": []}, "upper_share": {"edges": []}, "decision": LABELS}


def feature(name: str, score: float, threshold: float = 4.0) -> FeatureDrift:
    return FeatureDrift(name, Method.MEAN_AND_SPREAD, score, threshold)


def summary(*features: FeatureDrift) -> str:
    return drift_summary(features, REFERENCE, WINDOW, HISTOGRAMS)


def test_summary_names_the_feature_that_drifted_most() -> None:
    joint = feature(JOINT_FEATURE, 9, 7)
    assert summary(joint, feature("chars", 4.4), feature("upper_share", 12.3)) == (
        "2 of 2 features drifted, most of all upper_share "
        "(score 12, threshold 4; mean 0.31, was 0.06)"
    )


def test_summary_without_drift_names_the_closest_feature() -> None:
    joint = feature(JOINT_FEATURE, 5, 7)
    assert summary(joint, feature("chars", 2.1), feature("upper_share", 1.0)) == (
        "none of 2 features drifted; the closest was chars "
        "(score 2.1, threshold 4; mean 81, was 80)"
    )


def test_summary_of_joint_drift_alone() -> None:
    joint = feature(JOINT_FEATURE, 8, 7)
    assert summary(joint, feature("chars", 3.9), feature("upper_share", 1.0)).startswith(
        "no single feature drifted, but 2 features together did, most of all chars"
    )


def test_change_of_decisions_is_that_of_the_largest_difference() -> None:
    assert summary(FeatureDrift("decision", Method.SHARES, 9.0, 4.0)) == (
        "1 of 1 feature drifted, most of all decision "
        "(score 9, threshold 4; 50.0% negative, was 86.0%)"
    )


def test_feature_without_a_histogram_has_only_its_score() -> None:
    assert summary(FeatureDrift("text", "perc_text_content_drift", 0.99, 0.95)) == (
        "1 of 1 feature drifted, most of all text (score 0.99, threshold 0.95)"
    )


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (0, "0 predictions in the window, but at least 30 are needed"),
        (1, "1 prediction in the window, but at least 30 are needed"),
    ],
)
def test_summary_of_a_window_with_too_few_rows(rows: int, expected: str) -> None:
    assert too_few_in_window(rows, 30) == expected


def test_summary_of_a_reference_with_too_few_rows() -> None:
    assert too_few_in_reference(3, 30) == (
        "3 predictions before the window, but at least 30 are needed as the reference"
    )


@pytest.mark.parametrize(
    ("value", "expected"), [(0.0, "0"), (0.0612, "0.061"), (99.4, "99"), (1234.5, "1,234")]
)
def test_number_is_short(value: float, expected: str) -> None:
    assert format_number(value) == expected
