from __future__ import annotations

from datetime import UTC, datetime

from monitoring.drift.window import Columns, comparable, window_columns
from scoring.artifact.profile import CATEGORIES, NUMBERS
from scoring.input.features import INPUT_FEATURES
from storage.reports.drift import Observed

OLD = Observed(datetime.now(UTC), 0.5, 0.5, "review", {"chars": 4})


def observed(probability: float = 0.9, **features: float) -> Observed:
    values = dict.fromkeys(INPUT_FEATURES, 0.0) | features
    return Observed(datetime.now(UTC), probability, 0.8, "positive", values)


def test_rows_become_the_columns_a_profile_has() -> None:
    columns = window_columns([observed(0.9, chars=3), observed(0.2, chars=5)])
    assert columns.keys() == {*NUMBERS, *CATEGORIES}
    assert columns["probability"] == [0.9, 0.2]
    assert columns["chars"] == [3.0, 5.0]
    assert columns["decision"] == ["positive", "positive"]


def test_what_a_row_of_an_earlier_release_lacks_is_left_out() -> None:
    columns = window_columns([observed(chars=3), OLD])
    assert columns["chars"] == [3.0, 4.0]
    assert "words" not in columns
    assert {len(values) for values in columns.values()} == {2}


def test_only_what_both_sides_have_is_compared() -> None:
    reference: Columns = {"probability": [0.1], "decision": ["negative"], "words": [2.0]}
    before, now = comparable(reference, window_columns([OLD]))
    assert before == {"probability": [0.1], "decision": ["negative"]}
    assert now == {"probability": [0.5], "decision": ["review"]}
