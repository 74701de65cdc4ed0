from monitoring.alerts.evaluation import compare
from storage.reports.alerts import Condition
from storage.tables import Alert


def wrong(rule: str, subject: str = "all", value: float = 1.0) -> Condition:
    return Condition(rule, subject, "warning", value, 0.5, "It is wrong.")


def alert(alert_id: int, rule: str, subject: str = "all") -> Alert:
    return Alert(id=alert_id, rule=rule, subject=subject)


def test_what_is_new_opens_what_is_known_stays_what_is_gone_clears() -> None:
    known = [alert(1, "drift"), alert(2, "queue_age")]
    changes = compare(known, [wrong("drift"), wrong("error_rate")])
    assert changes.opening == [wrong("error_rate")]
    assert changes.staying == [wrong("drift")]
    assert changes.clearing == [2]


def test_the_same_rule_of_another_subject_is_another_alert() -> None:
    changes = compare([alert(1, "drift", "shop")], [wrong("drift", "mail")])
    assert (changes.opening, changes.clearing) == ([wrong("drift", "mail")], [1])


def test_two_findings_of_one_thing_are_one_alert() -> None:
    changes = compare([], [wrong("drift", value=1.0), wrong("drift", value=2.0)])
    assert changes.opening == [wrong("drift", value=2.0)]
