from __future__ import annotations

from monitoring.drift.verdict import JOINT, METHODS, Finding, Method, Verdict, verdict
from scoring.artifact.profile import CATEGORIES, NUMBERS
from storage.tables import DriftReport


def finding(value: float, threshold: float = 4.0) -> Finding:
    return Finding("chars", Method.MEAN_AND_SPREAD, value, threshold)


def test_one_column_above_its_threshold_is_drift() -> None:
    assert verdict([finding(0.5), finding(4.01)]) is Verdict.DRIFT


def test_a_distance_at_the_threshold_is_no_drift() -> None:
    assert verdict([finding(0.5), finding(4.0)]) is Verdict.STABLE


def test_strength_puts_columns_of_different_thresholds_in_order() -> None:
    assert finding(6.0, 4.0).strength > finding(8.0, 6.0).strength
    assert finding(0.0, 0.0).strength == 0.0


def test_every_column_of_a_profile_has_a_method_and_so_have_all_together() -> None:
    assert METHODS.keys() == {*NUMBERS, *CATEGORIES, JOINT}
    assert METHODS["upper_share"] is Method.MEAN_AND_SPREAD
    assert METHODS["decision"] is Method.SHARES


def test_the_database_takes_every_verdict() -> None:
    check = next(c for c in DriftReport.__table__.constraints if "verdict" in str(c.name))
    for value in Verdict:
        assert repr(str(value)) in str(check.sqltext)  # type: ignore[attr-defined]
