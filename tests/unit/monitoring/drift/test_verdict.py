from __future__ import annotations

from monitoring.drift.verdict import METHODS, FeatureDrift, Method, verdict
from scoring.artifact.profile import CATEGORIES, NUMBERS
from storage.states import JOINT_FEATURE, DriftVerdict
from storage.tables import DriftReport


def feature(score: float, threshold: float = 4.0) -> FeatureDrift:
    return FeatureDrift("chars", Method.MEAN_AND_SPREAD, score, threshold)


def test_one_score_above_its_threshold_is_drift() -> None:
    assert verdict([feature(0.5), feature(4.01)]) is DriftVerdict.DRIFT


def test_score_at_the_threshold_is_not_drift() -> None:
    assert verdict([feature(0.5), feature(4.0)]) is DriftVerdict.STABLE


def test_strength_orders_features_with_different_thresholds() -> None:
    assert feature(6.0, 4.0).strength > feature(8.0, 6.0).strength
    assert feature(0.0, 0.0).strength == 0.0


def test_every_column_of_a_profile_and_the_joint_feature_have_a_method() -> None:
    assert METHODS.keys() == {*NUMBERS, *CATEGORIES, JOINT_FEATURE}
    assert METHODS["upper_share"] is Method.MEAN_AND_SPREAD
    assert METHODS["decision"] is Method.SHARES


def test_database_accepts_every_verdict() -> None:
    check = next(c for c in DriftReport.__table__.constraints if "verdict" in str(c.name))
    for value in DriftVerdict:
        assert repr(str(value)) in str(check.sqltext)  # type: ignore[attr-defined]
