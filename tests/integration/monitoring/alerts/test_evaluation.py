"""Alerts on a real PostgreSQL: raised, updated, resolved, and delivered to a webhook."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import Engine, Row, text

from monitoring.alerts.evaluation import AlertCounts, evaluate
from monitoring.alerts.webhook import GIVE_UP_S, NotDelivered, deliver
from plumbline.settings import Settings
from storage.reports import alerts

CLEAR_S = 120.0
SETTINGS = Settings(
    alert_clear_s=CLEAR_S,
    alert_webhook_secret="secret",  # type: ignore[arg-type]
    alert_webhook_url="https://hooks.example/token",  # type: ignore[arg-type]
)
INSERT_QUEUED_JOB = text("""
INSERT INTO plumbline.jobs (id, source, text_sha256, state, created_at)
VALUES (gen_random_uuid(), 'test', '', 'queued', now() - interval '1 hour')
""")


class FakeWebhook:
    """Records the delivered notices; with `refuses` every delivery fails."""

    def __init__(self) -> None:
        self.received: list[dict[str, Any]] = []
        self.attempts = 0
        self.refuses = False

    def __call__(self, url: str, content: bytes, headers: dict[str, str]) -> None:
        assert url == "https://hooks.example/token"
        assert headers["X-Plumbline-Signature"].startswith("t=")
        self.attempts += 1
        if self.refuses:
            raise NotDelivered("the receiver answered HTTP 500")
        self.received.append(json.loads(content))

    def rules_and_statuses(self) -> list[tuple[str, str]]:
        return [(notice["rule"], notice["status"]) for notice in self.received]


def execute(engine: Engine, statement: str, **values: Any) -> None:
    with engine.begin() as connection:
        connection.execute(text(statement), values)


def add_old_job(engine: Engine) -> None:
    """Queue a job for so long that it raises the queue_age alert."""
    with engine.begin() as connection:
        connection.execute(INSERT_QUEUED_JOB)


def delete_jobs(engine: Engine) -> None:
    execute(engine, "DELETE FROM plumbline.jobs")


def evaluate_alone(engine: Engine, settings: Settings = SETTINGS) -> AlertCounts:
    counts = evaluate(engine, settings)
    assert counts is not None
    return counts


def open_alerts(engine: Engine) -> Sequence[Row[Any]]:
    with engine.connect() as connection:
        return alerts.open_alerts(connection)


def let_time_pass(engine: Engine, elapsed_s: float) -> None:
    """Move the times in all rows into the past."""
    execute(
        engine,
        "UPDATE plumbline.alerts SET clear_since = clear_since - make_interval(secs => :s)",
        s=elapsed_s,
    )
    execute(
        engine,
        "UPDATE plumbline.alert_notices SET created_at = created_at - make_interval(secs => :s), "
        "next_attempt_at = next_attempt_at - make_interval(secs => :s)",
        s=elapsed_s,
    )


def test_alert_is_raised_once_and_resolved_after_it_was_clear_for_a_while(engine: Engine) -> None:
    add_old_job(engine)
    assert evaluate_alone(engine) == AlertCounts(raised=1, resolved=0, firing=1)
    assert evaluate_alone(engine) == AlertCounts(raised=0, resolved=0, firing=1)
    (alert,) = open_alerts(engine)
    assert (alert.rule, alert.subject, alert.severity) == ("queue_age", "everything", "critical")
    assert alert.value == pytest.approx(3_600, abs=60) and alert.threshold == 600
    assert alert.last_seen_at > alert.raised_at
    delete_jobs(engine)
    assert evaluate_alone(engine) == AlertCounts(raised=0, resolved=0, firing=1), "resolved at once"
    let_time_pass(engine, CLEAR_S - 60)
    assert evaluate_alone(engine).resolved == 0
    let_time_pass(engine, 60)
    assert evaluate_alone(engine) == AlertCounts(raised=0, resolved=1, firing=0)
    assert open_alerts(engine) == []
    with engine.connect() as connection:
        (resolved,) = alerts.resolved_alerts(connection)
    assert resolved.id == alert.id and resolved.resolved_at is not None


def test_flapping_condition_is_reported_once(engine: Engine) -> None:
    webhook = FakeWebhook()
    for _ in range(4):
        add_old_job(engine)
        evaluate_alone(engine)
        delete_jobs(engine)
        evaluate_alone(engine)
        let_time_pass(engine, CLEAR_S - 1)
        deliver(engine, SETTINGS, webhook)
    assert webhook.rules_and_statuses() == [("queue_age", "raised")]


def test_resolved_alert_can_be_raised_again(engine: Engine) -> None:
    settings = SETTINGS.model_copy(update={"alert_clear_s": 0.0})
    for _ in range(2):
        add_old_job(engine)
        assert evaluate_alone(engine, settings).raised == 1
        delete_jobs(engine)
        assert evaluate_alone(engine, settings).resolved == 1
    with engine.connect() as connection:
        assert len(alerts.resolved_alerts(connection)) == 2


def test_concurrent_workers_raise_one_alert(engine: Engine) -> None:
    add_old_job(engine)
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: evaluate(engine, SETTINGS), range(8)))
    assert sum(counts.raised for counts in results if counts) == 1
    assert len(open_alerts(engine)) == 1


def test_evaluation_is_skipped_while_another_process_evaluates(engine: Engine) -> None:
    with engine.begin() as connection:
        assert alerts.try_lock(connection)
        assert evaluate(engine, SETTINGS) is None
    assert evaluate_alone(engine) == AlertCounts(0, 0, 0)


def test_notices_are_retried_until_delivered_and_stay_in_order(engine: Engine) -> None:
    webhook = FakeWebhook()
    webhook.refuses = True
    add_old_job(engine)
    evaluate_alone(engine)
    assert deliver(engine, SETTINGS, webhook) == 0
    assert deliver(engine, SETTINGS, webhook) == 0 and webhook.attempts == 1, "retried too early"
    delete_jobs(engine)
    evaluate_alone(engine)
    let_time_pass(engine, CLEAR_S)
    evaluate_alone(engine)
    let_time_pass(engine, 60)
    assert deliver(engine, SETTINGS, webhook) == 0
    assert notices(engine) == [
        ("raised", 2, "the receiver answered HTTP 500"),
        ("resolved", 0, None),
    ]
    webhook.refuses = False
    let_time_pass(engine, 120)
    assert deliver(engine, SETTINGS, webhook) == 2
    assert webhook.rules_and_statuses() == [("queue_age", "raised"), ("queue_age", "resolved")]
    assert len({notice["id"] for notice in webhook.received}) == 1
    assert webhook.received[1]["resolved_at"] is not None
    assert deliver(engine, SETTINGS, webhook) == 0, "delivered twice"
    assert notices(engine) == [("raised", 3, None), ("resolved", 1, None)]


def notices(engine: Engine) -> list[tuple[str, int, str | None]]:
    statement = text("SELECT status, attempts, error FROM plumbline.alert_notices ORDER BY status")
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(statement)]  # type: ignore[misc]


def test_notice_is_given_up_after_a_day(engine: Engine) -> None:
    webhook = FakeWebhook()
    webhook.refuses = True
    add_old_job(engine)
    evaluate_alone(engine)
    let_time_pass(engine, GIVE_UP_S + 1)
    deliver(engine, SETTINGS, webhook)
    webhook.refuses = False
    let_time_pass(engine, GIVE_UP_S)
    assert deliver(engine, SETTINGS, webhook) == 0 and webhook.attempts == 1


def test_notice_of_a_dead_sender_is_sent_again(engine: Engine) -> None:
    add_old_job(engine)
    evaluate_alone(engine)
    with engine.begin() as connection:
        assert alerts.claim_notice(connection, 30.0, 3_600.0) is not None
        assert alerts.claim_notice(connection, 30.0, 3_600.0) is None, "claimed by two senders"
    let_time_pass(engine, 31)
    assert deliver(engine, SETTINGS, FakeWebhook()) == 1


def test_without_a_webhook_there_are_no_notices(engine: Engine) -> None:
    settings = Settings()
    add_old_job(engine)
    assert evaluate_alone(engine, settings).raised == 1
    assert notices(engine) == []
    assert deliver(engine, settings, FakeWebhook()) == 0
