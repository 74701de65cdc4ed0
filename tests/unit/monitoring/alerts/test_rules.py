from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from monitoring.alerts.rules import conditions, spoken
from plumbline.settings import Settings
from storage.reports.alert_facts import DriftFact, Facts
from storage.reports.alerts import Condition
from storage.reports.quality import QualityRow

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MODEL = "sms-spam/1.0.0"
HOUR = timedelta(hours=1)
DRIFT = DriftFact(MODEL, None, "drift", "3 of 11 columns drifted", NOW)


def found(facts: dict[str, Any], **settings: Any) -> list[Condition]:
    standing = Facts(**{"now": NOW, "live_model": MODEL, "live_since": NOW} | facts)
    return conditions(standing, Settings(**settings))


def rules(facts: dict[str, Any], **settings: Any) -> list[tuple[str, str]]:
    return [(condition.rule, condition.subject) for condition in found(facts, **settings)]


def drift(**changes: Any) -> DriftFact:
    fields = {name: getattr(DRIFT, name) for name in DriftFact.__slots__}
    return DriftFact(**fields | changes)


def row(metric: str = "accuracy", **changes: Any) -> QualityRow:
    given: dict[str, Any] = {
        "model": MODEL,
        "role": "live",
        "source": None,
        "metric": metric,
        "estimated": 0.85,
        "estimated_low": 0.8,
        "estimated_high": 0.88,
        "realized": 0.7,
        "realized_low": 0.6,
        "realized_high": 0.75,
        "labelled": 100,
        "window_from": NOW,
        "realized_window_from": NOW,
    }
    return QualityRow(**given | changes)


def test_where_nothing_is_known_nothing_is_wrong() -> None:
    assert rules({}) == []
    assert rules({"live_model": None, "live_since": None}) == []


def test_drift_is_a_sentence_with_the_report_in_it() -> None:
    (alert,) = found({"drift": [DRIFT]})
    assert alert == Condition(
        "drift", MODEL, "warning", 1.0, 1.0, f"{MODEL} drifts: 3 of 11 columns drifted."
    )


@pytest.mark.parametrize("verdict", ["stable", "too_little_data"])
def test_other_verdicts_are_no_alert(verdict: str) -> None:
    assert rules({"drift": [drift(verdict=verdict)]}) == []


def test_a_report_that_could_not_be_made_is_told_with_the_reason() -> None:
    report = drift(verdict="failed", summary="profile.json is missing")
    (alert,) = found({"drift": [report]})
    assert alert.rule == "drift_failed"
    assert alert.message == f"{MODEL} has no drift report: profile.json is missing."


def test_drift_of_one_source_counts_while_it_is_fresh() -> None:
    fresh = drift(source="shop", created_at=NOW - 3 * HOUR)
    old = drift(source="mail", created_at=NOW - 4 * HOUR)
    assert rules({"drift": [drift(verdict="stable"), fresh, old]}) == [
        ("drift", f"{MODEL}, source shop")
    ]


def test_too_long_without_a_report_is_told_and_drift_stays() -> None:
    old = {"drift": [drift(created_at=NOW - 4 * HOUR)], "live_since": NOW - 9 * HOUR}
    assert rules(old) == [("drift", MODEL), ("drift_stale", MODEL)]
    assert found(old)[1].message == (
        f"{MODEL} has had no drift report for 4 h, where 60 min is the rule: is a reports worker "
        "running?"
    )
    assert rules(old, drift_every_s=7_200.0) == [("drift", MODEL)]


def test_a_version_that_just_went_live_has_time_for_its_first_report() -> None:
    assert rules({"live_since": NOW - 3 * HOUR}) == []
    assert rules({"live_since": NOW - 3.1 * HOUR}) == [("drift_stale", MODEL)]
    of_source = drift(source="shop", verdict="stable")
    assert rules({"drift": [of_source], "live_since": NOW - 4 * HOUR}) == [("drift_stale", MODEL)]


def test_drift_can_be_switched_off() -> None:
    facts = {"drift": [DRIFT], "live_since": NOW - 9 * HOUR}
    assert rules(facts, alert_drift=False) == []


def test_estimated_accuracy_rings_when_its_whole_interval_is_below() -> None:
    (alert,) = found({"quality": [row(labelled=0)]})
    assert (alert.rule, alert.value, alert.threshold) == ("estimated_accuracy", 0.85, 0.9)
    assert alert.message == (
        f"The accuracy of {MODEL} is estimated at 0.850 (at most 0.880), and 0.9 is wanted."
    )
    assert rules({"quality": [row(labelled=0, estimated_high=0.9)]}) == []
    none = row(estimated=None, estimated_low=None, estimated_high=None, labelled=0)
    assert rules({"quality": [none]}) == []
    assert rules({"quality": [row(labelled=0)]}, alert_estimated_accuracy=0) == []


def test_realized_quality_rings_with_labels_enough() -> None:
    f1 = row("f1", source="shop")
    assert rules({"quality": [f1]}) == [("realized_f1", f"{MODEL}, source shop")]
    assert found({"quality": [f1]})[0].message == (
        f"The f1 of {MODEL}, source shop is 0.700 by 100 labels (at most 0.750), and 0.8 is wanted."
    )
    accuracy = row(estimated_high=0.99)
    assert rules({"quality": [accuracy]}) == [("realized_accuracy", MODEL)]
    assert rules({"quality": [f1]}, alert_min_labels=101) == []
    assert rules({"quality": [row("f1", realized_high=0.8)]}) == []
    assert rules({"quality": [f1, accuracy]}, alert_realized_accuracy=0, alert_realized_f1=0) == []


def test_neither_a_shadow_nor_other_metrics_ring() -> None:
    others = [row(role="shadow"), row("precision"), row("recall")]
    assert rules({"quality": others}) == []


def test_the_error_rate_is_of_texts_that_ended() -> None:
    (alert,) = found({"failed": 6, "scored": 94})
    assert (alert.rule, alert.subject, alert.value) == ("error_rate", "everything", 0.06)
    assert alert.message == (
        "6 of 100 texts (6.0%) were quarantined or rejected within 15 min, and at most 5.0% is "
        "allowed."
    )
    assert rules({"failed": 5, "scored": 95}) == [], "at the bound is allowed"
    assert rules({"failed": 49}) == [], "too few to judge"
    assert rules({"failed": 50}, alert_error_rate=0) == []


def test_a_text_that_waits_too_long() -> None:
    (alert,) = found({"oldest_waiting_s": 1_200.0})
    assert alert.message == "A text has waited for 20 min, and 10 min is the most."
    assert rules({"oldest_waiting_s": 600.0}) == []
    assert rules({"oldest_waiting_s": 1_200.0}, alert_queue_age_s=0) == []


@pytest.mark.parametrize(
    ("duration_s", "said"),
    [(0.5, "0.5 s"), (119, "119 s"), (120, "2 min"), (7_200, "2 h"), (200_000, "2.31 d")],
)
def test_durations_are_said_as_people_do(duration_s: float, said: str) -> None:
    assert spoken(duration_s) == said
