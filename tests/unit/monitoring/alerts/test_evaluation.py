from typing import Any

from sqlalchemy import Row

from monitoring.alerts.evaluation import find_changes
from storage.reports.alerts import Condition
from tests.rows import row


def condition(rule: str, subject: str = "all", value: float = 1.0) -> Condition:
    return Condition(rule, subject, "warning", value, 0.5, "It is wrong.")


def alert(alert_id: int, rule: str, subject: str = "all") -> Row[Any]:
    return row(id=alert_id, rule=rule, subject=subject)


def test_new_condition_opens_a_known_one_updates_and_a_missing_one_clears() -> None:
    open_alerts = [alert(1, "drift"), alert(2, "queue_age")]
    changes = find_changes(open_alerts, [condition("drift"), condition("error_rate")])
    assert changes.to_open == [condition("error_rate")]
    assert changes.to_update == [condition("drift")]
    assert changes.to_clear == [2]


def test_same_rule_on_another_subject_is_another_alert() -> None:
    changes = find_changes([alert(1, "drift", "shop")], [condition("drift", "mail")])
    assert (changes.to_open, changes.to_clear) == ([condition("drift", "mail")], [1])


def test_two_conditions_with_one_rule_and_subject_are_one_alert() -> None:
    changes = find_changes([], [condition("drift", value=1.0), condition("drift", value=2.0)])
    assert changes.to_open == [condition("drift", value=2.0)]
