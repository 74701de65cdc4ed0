from __future__ import annotations

from datetime import UTC, datetime

from monitoring.drift.window import Columns, shared_columns, window_columns
from scoring.artifact.profile import CATEGORIES, NUMBERS
from scoring.input.features import INPUT_FEATURES
from storage.reports.drift import Observation

OLD = Observation(datetime.now(UTC), 0.5, 0.5, "review", {"chars": 4})


def observation(probability: float = 0.9, **features: float) -> Observation:
    values = dict.fromkeys(INPUT_FEATURES, 0.0) | features
    return Observation(datetime.now(UTC), probability, 0.8, "positive", values)


def test_rows_become_the_columns_of_a_profile() -> None:
    columns = window_columns([observation(0.9, chars=3), observation(0.2, chars=5)])
    assert columns.keys() == {*NUMBERS, *CATEGORIES}
    assert columns["probability"] == [0.9, 0.2]
    assert columns["chars"] == [3.0, 5.0]
    assert columns["decision"] == ["positive", "positive"]


def test_feature_missing_from_a_row_is_left_out() -> None:
    columns = window_columns([observation(chars=3), OLD])
    assert columns["chars"] == [3.0, 4.0]
    assert "words" not in columns
    assert {len(values) for values in columns.values()} == {2}


def test_only_columns_of_both_are_compared() -> None:
    reference: Columns = {"probability": [0.1], "decision": ["negative"], "words": [2.0]}
    before, now = shared_columns(reference, window_columns([OLD]))
    assert before == {"probability": [0.1], "decision": ["negative"]}
    assert now == {"probability": [0.5], "decision": ["review"]}
