from __future__ import annotations

from datetime import UTC, datetime

from monitoring.window import comparable, window_columns
from scoring.features import INPUT_FEATURES
from scoring.profile import CATEGORIES, NUMBERS, Profile
from storage.drift import Observed


def observed(probability: float = 0.9, **features: float) -> Observed:
    values = dict.fromkeys(INPUT_FEATURES, 0.0) | features
    return Observed(datetime.now(UTC), probability, 0.8, "positive", values)


def profile(**columns: list[float] | list[str]) -> Profile:
    return Profile("sms-spam/1.0.0", "validation", 2, columns, {})


def test_rows_become_the_columns_a_profile_has() -> None:
    columns = window_columns([observed(0.9, chars=3), observed(0.2, chars=5)])
    assert columns.keys() == {*NUMBERS, *CATEGORIES}
    assert columns["probability"] == [0.9, 0.2]
    assert columns["chars"] == [3.0, 5.0]
    assert columns["decision"] == ["positive", "positive"]


def test_a_row_of_an_earlier_release_leaves_out_what_it_lacks() -> None:
    old = Observed(datetime.now(UTC), 0.5, 0.5, "review", {"chars": 4})
    columns = window_columns([observed(chars=3), old])
    assert columns["chars"] == [3.0, 4.0]
    assert columns["words"] == [0.0]
    assert len(columns["probability"]) == 2


def test_only_what_both_sides_have_is_compared() -> None:
    old = Observed(datetime.now(UTC), 0.5, 0.5, "review", {"chars": 4})
    reference = profile(probability=[0.1], decision=["negative"], chars=[1.0], words=[2.0])
    assert comparable(reference, window_columns([old])) == ["probability", "decision", "chars"]
