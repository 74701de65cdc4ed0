"""Alerts and their notices on a real PostgreSQL."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine, text

from storage.reports import alerts
from storage.reports.alerts import Condition, Notice
from storage.states import NoticeStatus

DAY_S = 86_400.0


def condition(subject: str = "everything", **fields: Any) -> Condition:
    defaults: dict[str, Any] = {
        "rule": "queue_age",
        "severity": "critical",
        "value": 700.0,
        "threshold": 600.0,
        "message": "The oldest text waits for 700 s.",
    }
    return Condition(subject=subject, **defaults | fields)


def raise_alert(engine: Engine, subject: str = "everything", **fields: Any) -> int:
    with engine.begin() as connection:
        alert_id = alerts.open_alert(connection, condition(subject, **fields))
    assert alert_id is not None
    return alert_id


def add_notices(engine: Engine, status: NoticeStatus, *ids: int) -> None:
    with engine.begin() as connection:
        alerts.add_notices(connection, ids, status)


def claim(engine: Engine, first_s: float = 30.0, longest_s: float = 3_600.0) -> Notice | None:
    with engine.begin() as connection:
        return alerts.claim_notice(connection, first_s, longest_s)


def next_attempt_in_s(engine: Engine) -> float:
    query = "SELECT extract(epoch FROM next_attempt_at - now()) FROM plumbline.alert_notices"
    with engine.connect() as connection:
        return float(connection.execute(text(query)).scalar_one())


def make_due(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE plumbline.alert_notices SET next_attempt_at = now()"))


def test_rule_and_subject_have_one_open_alert_at_a_time(engine: Engine) -> None:
    first = raise_alert(engine)
    with engine.begin() as connection:
        assert alerts.open_alert(connection, condition()) is None
        assert alerts.mark_clear(connection, [first], clear_s=0.0) == [first]
    assert raise_alert(engine) != first


def test_open_alert_has_the_current_values_of_its_condition(engine: Engine) -> None:
    raise_alert(engine)
    other = raise_alert(engine, "shop")
    with engine.begin() as connection:
        alerts.update_open_alert(connection, condition(value=900.0, message="It waits for 900 s."))
        first, second = alerts.open_alerts(connection)
    assert (first.value, first.message) == (900.0, "It waits for 900 s.")
    assert first.last_seen_at > first.raised_at
    assert (second.id, second.value) == (other, 700.0)


def test_critical_alerts_come_first_and_the_oldest_of_them_first(engine: Engine) -> None:
    warning = raise_alert(engine, "warning", severity="warning")
    older, newer = raise_alert(engine, "older"), raise_alert(engine, "newer")
    with engine.connect() as connection:
        assert [alert.id for alert in alerts.open_alerts(connection)] == [older, newer, warning]


def test_alert_is_resolved_once_it_was_clear_for_long_enough(engine: Engine) -> None:
    alert_id = raise_alert(engine)
    with engine.begin() as connection:
        assert alerts.mark_clear(connection, [alert_id], clear_s=60.0) == []
    with engine.begin() as connection:
        # The condition holds again, so that the time without it starts anew.
        alerts.update_open_alert(connection, condition())
        (alert,) = alerts.open_alerts(connection)
        assert alert.clear_since is None
        alerts.mark_clear(connection, [alert_id], clear_s=60.0)
        connection.execute(
            text("UPDATE plumbline.alerts SET clear_since = clear_since - interval '61 s'")
        )
        assert alerts.mark_clear(connection, [alert_id], clear_s=60.0) == [alert_id]
        assert alerts.mark_clear(connection, [alert_id], clear_s=60.0) == [], "resolved twice"
        assert alerts.open_alerts(connection) == []
        assert [alert.id for alert in alerts.resolved_alerts(connection)] == [alert_id]


def test_newest_resolved_alerts_come_first(engine: Engine) -> None:
    ids = [raise_alert(engine, subject) for subject in ("a", "b", "c")]
    for alert_id in ids:
        with engine.begin() as connection:
            alerts.mark_clear(connection, [alert_id], clear_s=0.0)
    with engine.connect() as connection:
        newest = alerts.resolved_alerts(connection, limit=2)
    assert [alert.id for alert in newest] == [ids[2], ids[1]]


def test_only_one_transaction_at_a_time_evaluates(engine: Engine) -> None:
    with engine.begin() as first, engine.begin() as second:
        assert alerts.try_lock(first)
        assert not alerts.try_lock(second)


def test_claimed_notice_is_due_again_after_a_pause_that_doubles(engine: Engine) -> None:
    add_notices(engine, NoticeStatus.RAISED, raise_alert(engine))
    for attempt, pause_s in enumerate((30.0, 60.0, 100.0, 100.0), start=1):
        notice = claim(engine, first_s=30.0, longest_s=100.0)
        assert notice is not None and notice.attempts == attempt
        assert claim(engine) is None, "it is not due yet"
        assert next_attempt_in_s(engine) == pytest.approx(pause_s, abs=10.0)
        make_due(engine)


def test_notice_has_the_values_of_its_alert(engine: Engine) -> None:
    alert_id = raise_alert(engine, "shop")
    add_notices(engine, NoticeStatus.RAISED, alert_id)
    add_notices(engine, NoticeStatus.RAISED, alert_id)
    notice = claim(engine)
    assert notice is not None
    assert (notice.id, notice.status, notice.subject) == (alert_id, "raised", "shop")
    assert (notice.value, notice.threshold, notice.severity) == (700.0, 600.0, "critical")
    assert notice.resolved_at is None
    assert claim(engine) is None, "there is one notice per alert and status"


def test_resolved_notice_follows_the_raised_one(engine: Engine) -> None:
    alert_id = raise_alert(engine)
    add_notices(engine, NoticeStatus.RESOLVED, alert_id)
    add_notices(engine, NoticeStatus.RAISED, alert_id)
    raised = claim(engine)
    assert raised is not None and raised.status == "raised"
    assert claim(engine) is None, "the first notice is not delivered yet"
    with engine.begin() as connection:
        alerts.mark_delivered(connection, raised)
    resolved = claim(engine)
    assert resolved is not None and resolved.status == "resolved"


def test_delivered_notice_is_not_sent_again(engine: Engine) -> None:
    add_notices(engine, NoticeStatus.RAISED, raise_alert(engine))
    notice = claim(engine)
    assert notice is not None
    with engine.begin() as connection:
        alerts.mark_delivered(connection, notice)
        assert not alerts.mark_failed(connection, notice, "late", give_up_s=-1.0)
    make_due(engine)
    assert claim(engine) is None


def test_failed_notice_is_given_up_only_once_it_is_old(engine: Engine) -> None:
    add_notices(engine, NoticeStatus.RAISED, raise_alert(engine))
    notice = claim(engine)
    assert notice is not None
    with engine.begin() as connection:
        assert not alerts.mark_failed(connection, notice, "HTTP 500", give_up_s=DAY_S)
    make_due(engine)
    assert claim(engine) is not None
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE plumbline.alert_notices SET created_at = created_at - interval '2 days'")
        )
        assert alerts.mark_failed(connection, notice, "HTTP 500", give_up_s=DAY_S)
    make_due(engine)
    assert claim(engine) is None


def test_a_clock_of_postgresql_that_was_set_back_delays_no_notice(engine: Engine) -> None:
    alert = raise_alert(engine)
    add_notices(engine, NoticeStatus.RAISED, alert)
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE plumbline.alert_notices SET next_attempt_at = now() + interval '2 hours'")
        )
        connection.execute(
            text("UPDATE plumbline.alerts SET clear_since = now() + interval '2 hours'")
        )
    assert claim(engine) is not None
    assert claim(engine) is None
    with engine.begin() as connection:
        assert alerts.mark_clear(connection, [alert], clear_s=60.0) == []
        connection.execute(
            text("UPDATE plumbline.alerts SET clear_since = clear_since - interval '61s'")
        )
        assert alerts.mark_clear(connection, [alert], clear_s=60.0) == [alert]
