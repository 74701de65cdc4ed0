from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from monitoring.alerts.rules import evaluate_rules, format_duration
from plumbline.settings import Settings
from storage.jobs.overdue_leases import OverdueLeases
from storage.reports.alert_facts import AlertFacts
from storage.reports.alerts import Condition
from storage.reports.current_verdicts import CurrentVerdict
from storage.reports.quality import LatestQuality
from storage.task_ages import PeriodicTaskAge

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MODEL = "sms-spam/1.0.0"
HOUR = timedelta(hours=1)
DRIFT = CurrentVerdict(7, MODEL, None, "drift", "3 of 15 features drifted", NOW)


def conditions(facts: dict[str, Any], **settings: Any) -> list[Condition]:
    all_facts = AlertFacts(**{"now": NOW, "live_model": MODEL, "live_since": NOW} | facts)
    return evaluate_rules(all_facts, Settings(**settings))


def rules(facts: dict[str, Any], **settings: Any) -> list[tuple[str, str]]:
    return [(condition.rule, condition.subject) for condition in conditions(facts, **settings)]


def drift(**changes: Any) -> CurrentVerdict:
    fields = {name: getattr(DRIFT, name) for name in CurrentVerdict.__slots__}
    return CurrentVerdict(**fields | changes)


def quality(metric: str = "accuracy", **changes: Any) -> LatestQuality:
    fields: dict[str, Any] = {
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
        "labelled_rows": 100,
        "window_from": NOW,
        "realized_window_from": NOW,
    }
    return LatestQuality(**fields | changes)


def test_no_facts_raise_no_alert() -> None:
    assert rules({}) == []
    assert rules({"live_model": None, "live_since": None}) == []


def test_drift_alert_contains_the_summary_of_the_report() -> None:
    (alert,) = conditions({"drift": [DRIFT]})
    assert alert == Condition(
        "drift",
        MODEL,
        "warning",
        1.0,
        1.0,
        f"The texts of {MODEL} have drifted: 3 of 15 features drifted.",
    )


@pytest.mark.parametrize("verdict", ["stable", "too_little_data"])
def test_other_verdicts_raise_no_alert(verdict: str) -> None:
    assert rules({"drift": [drift(verdict=verdict)]}) == []


def test_alert_for_a_failed_report_contains_the_reason() -> None:
    report = drift(verdict="failed", summary="profile.json is missing")
    (alert,) = conditions({"drift": [report]})
    assert alert.rule == "drift_failed"
    assert alert.message == f"The drift report of {MODEL} failed: profile.json is missing."


def test_each_source_that_drifts_has_an_alert() -> None:
    reports = [drift(source="shop"), drift(verdict="stable"), drift(source="mail")]
    assert rules({"drift": reports}) == [
        ("drift", f"{MODEL}, source shop"),
        ("drift", f"{MODEL}, source mail"),
    ]


def test_missing_report_raises_an_alert_and_keeps_the_drift_alert() -> None:
    old = {
        "drift": [drift(created_at=NOW - 4 * HOUR)],
        "drift_reported_at": NOW - 4 * HOUR,
        "live_since": NOW - 9 * HOUR,
    }
    assert rules(old) == [("drift", MODEL), ("drift_stale", MODEL)]
    assert conditions(old)[1].message == (
        f"{MODEL} has had no drift report for 4 h, although one is due every 60 min: is a reports "
        "worker running?"
    )
    assert rules(old, drift_every_s=7_200.0) == [("drift", MODEL)]


def test_new_live_version_has_time_for_its_first_report() -> None:
    assert rules({"live_since": NOW - 3 * HOUR}) == []
    assert rules({"live_since": NOW - 3.1 * HOUR}) == [("drift_stale", MODEL)]
    # As when a version becomes live again: its earlier report does not count against it.
    again = {"drift_reported_at": NOW - 9 * HOUR, "live_since": NOW - HOUR}
    assert rules(again) == []


def test_drift_alerts_can_be_disabled() -> None:
    facts = {"drift": [DRIFT], "live_since": NOW - 9 * HOUR}
    assert rules(facts, alert_drift=False) == []


def test_estimated_accuracy_alerts_if_its_whole_interval_is_below_the_threshold() -> None:
    (alert,) = conditions({"quality": [quality(labelled_rows=0)]})
    assert (alert.rule, alert.value, alert.threshold) == ("estimated_accuracy", 0.85, 0.9)
    assert alert.message == (
        f"The accuracy of {MODEL}, estimated from the predictions alone, is 0.850 (at most 0.880), "
        "below the threshold of 0.9."
    )
    assert rules({"quality": [quality(labelled_rows=0, estimated_high=0.9)]}) == []
    undefined = quality(estimated=None, estimated_low=None, estimated_high=None, labelled_rows=0)
    assert rules({"quality": [undefined]}) == []
    assert rules({"quality": [quality(labelled_rows=0)]}, alert_estimated_accuracy=0) == []


SAMPLED = {
    "combined": 0.66,
    "combined_low": 0.55,
    "combined_high": 0.78,
    "combined_share": 1.0,
    "random_rows": 50,
    "combined_window_to": NOW + 12 * HOUR,
    "combined_status": "drift",
}


def drifted(**changes: Any) -> LatestQuality:
    """Return the accuracy of texts that have drifted; without labels, it is unknown."""
    withheld = dict.fromkeys(("estimated", "estimated_low", "estimated_high"))
    return quality(**{"labelled_rows": 0, "estimate_status": "drift"} | withheld | changes)


def test_drift_makes_the_accuracy_unknown_until_a_random_sample_has_labels() -> None:
    verdicts = [drift(source="shop"), drift()]
    shop, everything, mail = drifted(source="shop"), drifted(), drifted(source="mail")
    unlabelled = {"drift": verdicts, "quality": [everything, mail, shop]}
    alerts = [alert for alert in conditions(unlabelled) if alert.rule != "drift"]
    assert [(alert.rule, alert.subject) for alert in alerts] == [
        ("estimate_untrusted", f"{MODEL}, source shop")
    ], "the source that drifted, but neither the whole nor a source that is stable"
    assert alerts[0].message == (
        f"The accuracy of {MODEL}, source shop is unknown, because its estimate is not trustworthy "
        "under drift: label a random sample: `plumbline results --sample 50 --by random --source "
        "shop --output sample.csv`, fill in its column `label`, then `plumbline label sample.csv`."
    )
    assert rules(unlabelled, alert_estimated_accuracy=0) == rules({"drift": verdicts})
    labelled = {"drift": verdicts, "quality": [drifted(source="shop", **SAMPLED)]}
    assert ("estimated_accuracy", f"{MODEL}, source shop") in rules(labelled)
    assert ("estimate_untrusted", f"{MODEL}, source shop") not in rules(labelled)


def test_drift_of_all_sources_together_is_named_by_the_version() -> None:
    facts = {"drift": [drift()], "quality": [drifted()]}
    assert ("estimate_untrusted", MODEL) in rules(facts)
    part = {"drift": [drift()], "quality": [drifted(**SAMPLED | {"combined_share": 0.5})]}
    assert ("estimate_untrusted", MODEL) in rules(part), "labels of one source are not the whole"
    assert rules({"quality": [drifted()]}) == [], "the drift has ended, or is accepted as normal"


def test_labels_of_drifted_texts_describe_later_drifted_texts_for_a_week() -> None:
    earlier = SAMPLED | {"combined_window_to": NOW - 24 * HOUR}
    old = SAMPLED | {"combined_window_to": NOW - 8 * 24 * HOUR}
    before_drift = earlier | {"combined_status": "trusted"}
    for sample, expected in (
        (earlier, "estimated_accuracy"),
        (old, "estimate_untrusted"),
        (before_drift, "estimate_untrusted"),
    ):
        facts = {"drift": [drift()], "quality": [drifted(**sample)]}
        assert rules(facts) == [("drift", MODEL), (expected, MODEL)]


def test_labels_of_a_random_sample_replace_the_estimate() -> None:
    row = quality(labelled_rows=0, estimated_high=0.99, **SAMPLED)
    (alert,) = conditions({"quality": [row]})
    assert alert.message == (
        f"The accuracy of {MODEL}, estimated from 50 labels and all predictions, is 0.660 (at most "
        "0.780), below the threshold of 0.9."
    )
    other_texts = SAMPLED | {"combined_window_to": NOW - HOUR}
    assert rules({"quality": [quality(labelled_rows=0, estimated_high=0.99, **other_texts)]}) == []


def test_labels_of_some_sources_are_not_called_those_of_all() -> None:
    row = quality(estimated_high=0.99, labelled_share=0.1, labelled_sources=["shop"])
    (alert,) = conditions({"quality": [row]})
    assert "is 0.700 on 100 labels of shop only (at most 0.750)" in alert.message
    many = quality(estimated_high=0.99, labelled_share=0.1, labelled_sources=list("abcde"))
    (alert,) = conditions({"quality": [many]})
    assert "on 100 labels of a, b, c and 2 more sources only" in alert.message


def test_realized_quality_alerts_with_enough_labels() -> None:
    f1 = quality("f1", source="shop")
    assert rules({"quality": [f1]}) == [("realized_f1", f"{MODEL}, source shop")]
    assert conditions({"quality": [f1]})[0].message == (
        f"The realized f1 of {MODEL}, source shop is 0.700 on 100 labels (at most 0.750), below "
        "the threshold of 0.8."
    )
    accuracy = quality(estimated_high=0.99)
    assert rules({"quality": [accuracy]}) == [("realized_accuracy", MODEL)]
    assert rules({"quality": [f1]}, alert_min_labels=101) == []
    assert rules({"quality": [quality("f1", realized_high=0.8)]}) == []
    assert rules({"quality": [f1, accuracy]}, alert_realized_accuracy=0, alert_realized_f1=0) == []


def test_shadow_and_other_metrics_raise_no_alert() -> None:
    others = [quality(role="shadow"), quality("precision"), quality("recall")]
    assert rules({"quality": others}) == []


def test_error_rate_is_a_share_of_ended_texts() -> None:
    (alert,) = conditions({"failed": 6, "scored": 94})
    assert (alert.rule, alert.subject, alert.value) == ("error_rate", "everything", 0.06)
    assert alert.message == (
        "6 of 100 texts (6.0%) were quarantined or rejected in the last 15 min, above the "
        "threshold of 5.0%."
    )
    assert rules({"failed": 5, "scored": 95}) == [], "a rate at the threshold is allowed"
    assert rules({"failed": 49}) == [], "49 texts are below the minimum"
    assert rules({"failed": 50}, alert_error_rate=0) == []


def test_queue_age_alerts_if_a_text_waits_too_long() -> None:
    (alert,) = conditions({"oldest_queued_s": 1_200.0})
    assert alert.message == (
        "The oldest queued text has waited for 20 min, above the threshold of 10 min."
    )
    assert rules({"oldest_queued_s": 600.0}) == []
    assert rules({"oldest_queued_s": 1_200.0}, alert_queue_age_s=0) == []


@pytest.mark.parametrize(
    ("duration_s", "expected"),
    [(0.5, "0.5 s"), (119, "119 s"), (120, "2 min"), (7_200, "2 h"), (200_000, "2.31 d")],
)
def test_duration_is_formatted_for_people(duration_s: float, expected: str) -> None:
    assert format_duration(duration_s) == expected


def test_a_periodic_task_that_never_ends_is_an_alert() -> None:
    tasks = [
        PeriodicTaskAge("plumbline.sweep", 5.0, 1.0, 316.0),
        PeriodicTaskAge("plumbline.quality", 600.0, 1.0, 2_000.0),
    ]
    assert rules({"periodic_tasks": tasks}) == [("stalled_task", "plumbline.sweep")]
    (condition,) = conditions({"periodic_tasks": tasks})
    assert (condition.severity, condition.value, condition.threshold) == ("critical", 316.0, 315.0)
    assert rules({"periodic_tasks": tasks}, alert_upkeep_s=400) == []
    assert rules({"periodic_tasks": tasks}, alert_upkeep_s=0) == []


def test_leases_that_no_sweep_ends_are_an_alert() -> None:
    overdue = {"overdue_leases": OverdueLeases(3, 301.0)}
    assert rules(overdue) == [("overdue_leases", "everything")]
    assert "3 leases have expired" in conditions(overdue)[0].message
    assert rules(overdue, alert_upkeep_s=0) == []
    assert rules({"overdue_leases": OverdueLeases(3, 299.0)}) == []
