from __future__ import annotations

import pytest

from monitoring.verdict import METHODS, Finding, Method, Verdict, column_threshold, verdict
from scoring.profile import CATEGORIES, NUMBERS
from storage.tables import DriftReport


def finding(p_value: float, threshold: float = 0.01) -> Finding:
    return Finding("chars", Method.KS, p_value, threshold)


def test_the_rate_of_a_report_is_shared_by_its_columns() -> None:
    assert column_threshold(0.05, 10) == pytest.approx(0.005)
    assert column_threshold(0.05, 1) == 0.05


def test_one_column_under_its_threshold_is_drift() -> None:
    assert verdict([finding(0.5), finding(0.0099)]) is Verdict.DRIFT


def test_a_p_value_at_the_threshold_is_no_drift() -> None:
    assert verdict([finding(0.5), finding(0.01)]) is Verdict.STABLE


def test_every_column_of_a_profile_has_a_method() -> None:
    assert METHODS.keys() == {*NUMBERS, *CATEGORIES}
    assert METHODS["upper_share"] is Method.KS
    assert METHODS["decision"] is Method.CHI_SQUARE


def test_the_database_takes_every_verdict() -> None:
    check = next(c for c in DriftReport.__table__.constraints if "verdict" in str(c.name))
    for value in Verdict:
        assert repr(str(value)) in str(check.sqltext)  # type: ignore[attr-defined]
