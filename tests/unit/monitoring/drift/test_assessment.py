from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime

import pytest

from monitoring.drift.assessment import AssessmentInput, assess, drift_value, histogram
from monitoring.drift.reference import Reference
from monitoring.drift.verdict import FeatureDrift, Method
from storage.reports.drift import NewDriftValue, Observation
from storage.states import DriftVerdict, ReferenceKind
from tests.paths import CHECKOUT

ROW = Observation(datetime(2026, 1, 2, tzinfo=UTC), 0.5, 0.5, "review", {})


def reference(rows: int, texts: tuple[str, ...] = ()) -> Reference:
    return Reference(ReferenceKind.WINDOW, rows, {}, {}, texts=texts)


@pytest.mark.parametrize(
    ("rows", "reference_rows", "summary"),
    [
        (29, 30, "29 predictions in the window, but at least 30 are needed"),
        (30, 29, "29 predictions before the window, but at least 30 are needed as the reference"),
        (0, 0, "0 predictions in the window, but at least 30 are needed"),
    ],
)
def test_too_few_rows_on_either_side_are_not_compared(
    rows: int, reference_rows: int, summary: str
) -> None:
    data = AssessmentInput([ROW] * rows, reference(reference_rows))
    assessment = assess(data, alpha=0.05, min_rows=30)
    assert (assessment.verdict, assessment.summary) == (DriftVerdict.TOO_LITTLE_DATA, summary)
    assert (assessment.values, assessment.content) == ((), None)


def test_an_assessment_of_too_little_data_does_not_import_evidently() -> None:
    code = """
import sys
from monitoring.drift.assessment import AssessmentInput, assess
from monitoring.drift.reference import empty_reference
from storage.states import ReferenceKind
print(assess(AssessmentInput((), empty_reference(ReferenceKind.PROFILE)), 0.05, 30).verdict)
print({"evidently", "pandas"} & sys.modules.keys())
"""
    process = subprocess.run(
        [sys.executable, "-c", code],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert process.stdout.split() == ["too_little_data", "set()"]


@pytest.mark.parametrize(
    ("window", "before", "compared"),
    [((), (), False), (("a",), (), True), ((), ("a",), True)],
)
def test_texts_are_compared_if_either_side_has_some(
    window: tuple[str, ...], before: tuple[str, ...], compared: bool
) -> None:
    assert AssessmentInput((), reference(0, before), window).with_texts is compared


def test_histogram_of_labels_has_labels_and_that_of_numbers_has_edges() -> None:
    assert histogram(["a", "b"], ["b"], None)["labels"] == ["a", "b"]
    assert histogram([0.0, 1.0], [0.5], [0.0, 0.5, 1.0]) == {
        "edges": [0.0, 0.5, 1.0],
        "reference": [0.5, 0.5],
        "window": [0.0, 1.0],
    }


def test_stored_value_states_whether_the_score_exceeds_the_threshold() -> None:
    above = FeatureDrift("chars", Method.MEAN_AND_SPREAD, 5.0, 3.0)
    below = FeatureDrift("decision", Method.SHARES, 3.0, 3.0)
    shape = {"edges": [0.0]}
    assert drift_value(above, shape) == NewDriftValue(
        "chars", "mean-and-spread", 5.0, 3.0, True, shape
    )
    assert drift_value(below, {}) == NewDriftValue("decision", "shares", 3.0, 3.0, False, {})
