"""Alerts on a real PostgreSQL: opened once, kept, ended after a while, told until they arrive."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import Engine, text

from monitoring.alerts.evaluation import Evaluated, evaluate
from monitoring.alerts.webhook import GIVE_UP_S, NotDelivered, deliver
from plumbline.settings import Settings
from storage.reports import alert_facts, alerts
from storage.serving import deployments
from storage.tables import Alert

CLEAR_S = 120.0
SETTINGS = Settings(
    alert_clear_s=CLEAR_S,
    alert_webhook_secret="secret",  # type: ignore[arg-type]
    alert_webhook_url="https://hooks.example/token",  # type: ignore[arg-type]
)
JOB = text("""
INSERT INTO plumbline.jobs (id, source, text_sha256, state, created_at, finished_at)
VALUES (gen_random_uuid(), 'test', '', :state, now() - make_interval(secs => :age_s), now())
""")


class Hook:
    """A receiver that takes notices, or does not."""

    def __init__(self) -> None:
        self.came: list[dict[str, Any]] = []
        self.attempts = 0
        self.refuses = False

    def __call__(self, url: str, content: bytes, headers: dict[str, str]) -> None:
        assert url == "https://hooks.example/token"
        assert headers["X-Plumbline-Signature"].startswith("t=")
        self.attempts += 1
        if self.refuses:
            raise NotDelivered("it answered HTTP 500")
        self.came.append(json.loads(content))

    def told(self) -> list[tuple[str, str]]:
        return [(notice["rule"], notice["status"]) for notice in self.came]


def run(engine: Engine, statement: str, **values: Any) -> None:
    with engine.begin() as connection:
        connection.execute(text(statement), values)


def job(engine: Engine, state: str = "queued", age_s: float = 3_600.0) -> None:
    with engine.begin() as connection:
        connection.execute(JOB, {"state": state, "age_s": age_s})


def judge(engine: Engine, settings: Settings = SETTINGS) -> Evaluated:
    found = evaluate(engine, settings)
    assert found is not None
    return found


def firing(engine: Engine) -> Sequence[Alert]:
    with engine.connect() as connection:
        return alerts.firing(connection)


def well_again(engine: Engine) -> None:
    run(engine, "DELETE FROM plumbline.jobs")


def wait(engine: Engine, passed_s: float) -> None:
    """As if all that was written had been so much earlier."""
    run(
        engine,
        "UPDATE plumbline.alerts SET clear_since = clear_since - make_interval(secs => :s)",
        s=passed_s,
    )
    run(
        engine,
        "UPDATE plumbline.alert_notices SET created_at = created_at - make_interval(secs => :s), "
        "next_attempt_at = next_attempt_at - make_interval(secs => :s)",
        s=passed_s,
    )


def test_an_alert_opens_once_stays_and_ends_after_a_while(engine: Engine) -> None:
    job(engine)
    assert judge(engine) == Evaluated(raised=1, resolved=0, firing=1)
    assert judge(engine) == Evaluated(raised=0, resolved=0, firing=1)
    (alert,) = firing(engine)
    assert (alert.rule, alert.subject, alert.severity) == ("queue_age", "everything", "critical")
    assert alert.value == pytest.approx(3_600, abs=60) and alert.threshold == 600
    assert alert.last_seen_at > alert.raised_at
    well_again(engine)
    assert judge(engine) == Evaluated(raised=0, resolved=0, firing=1), "not at once"
    wait(engine, CLEAR_S - 60)
    assert judge(engine).resolved == 0
    wait(engine, 60)
    assert judge(engine) == Evaluated(raised=0, resolved=1, firing=0)
    assert firing(engine) == []
    with engine.connect() as connection:
        (over,) = alerts.resolved(connection)
    assert over.id == alert.id and over.resolved_at is not None


def test_what_comes_and_goes_is_told_once(engine: Engine) -> None:
    hook = Hook()
    for _ in range(4):
        job(engine)
        judge(engine)
        well_again(engine)
        judge(engine)
        wait(engine, CLEAR_S - 1)
        deliver(engine, SETTINGS, hook)
    assert hook.told() == [("queue_age", "raised")]


def test_an_alert_that_is_over_may_open_again(engine: Engine) -> None:
    settings = SETTINGS.model_copy(update={"alert_clear_s": 0.0})
    for _ in range(2):
        job(engine)
        assert judge(engine, settings).raised == 1
        well_again(engine)
        assert judge(engine, settings).resolved == 1
    with engine.connect() as connection:
        assert len(alerts.resolved(connection)) == 2


def test_workers_at_once_open_one_alert(engine: Engine) -> None:
    job(engine)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: evaluate(engine, SETTINGS), range(8)))
    assert sum(one.raised for one in found if one) == 1
    assert len(firing(engine)) == 1


def test_whoever_is_not_alone_leaves_it_to_the_other(engine: Engine) -> None:
    with engine.begin() as connection:
        assert alerts.try_lock(connection)
        assert evaluate(engine, SETTINGS) is None
    assert judge(engine) == Evaluated(0, 0, 0)


def test_a_notice_is_sent_until_it_arrives_and_in_order(engine: Engine) -> None:
    hook = Hook()
    hook.refuses = True
    job(engine)
    judge(engine)
    assert deliver(engine, SETTINGS, hook) == 0
    assert deliver(engine, SETTINGS, hook) == 0 and hook.attempts == 1, "not before its pause"
    well_again(engine)
    judge(engine)
    wait(engine, CLEAR_S)
    judge(engine)
    wait(engine, 60)
    assert deliver(engine, SETTINGS, hook) == 0
    assert notices(engine) == [("raised", 2, "it answered HTTP 500"), ("resolved", 0, None)]
    hook.refuses = False
    wait(engine, 120)
    assert deliver(engine, SETTINGS, hook) == 2
    assert hook.told() == [("queue_age", "raised"), ("queue_age", "resolved")]
    assert len({notice["id"] for notice in hook.came}) == 1
    assert hook.came[1]["resolved_at"] is not None
    assert deliver(engine, SETTINGS, hook) == 0, "each once"
    assert notices(engine) == [("raised", 3, None), ("resolved", 1, None)]


def notices(engine: Engine) -> list[tuple[str, int, str | None]]:
    statement = text("SELECT status, attempts, error FROM plumbline.alert_notices ORDER BY status")
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(statement)]  # type: ignore[misc]


def test_a_notice_is_given_up_after_a_day(engine: Engine) -> None:
    hook = Hook()
    hook.refuses = True
    job(engine)
    judge(engine)
    wait(engine, GIVE_UP_S + 1)
    deliver(engine, SETTINGS, hook)
    hook.refuses = False
    wait(engine, GIVE_UP_S)
    assert deliver(engine, SETTINGS, hook) == 0 and hook.attempts == 1


def test_a_sender_that_died_leaves_its_notice_to_be_sent_again(engine: Engine) -> None:
    job(engine)
    judge(engine)
    with engine.begin() as connection:
        assert alerts.claim_notice(connection, 30.0, 3_600.0) is not None
        assert alerts.claim_notice(connection, 30.0, 3_600.0) is None, "one sender at a time"
    wait(engine, 31)
    hook = Hook()
    assert deliver(engine, SETTINGS, hook) == 1


def test_without_a_webhook_there_are_no_notices(engine: Engine) -> None:
    settings = Settings()
    job(engine)
    assert judge(engine, settings).raised == 1
    assert notices(engine) == []
    assert deliver(engine, settings, Hook()) == 0


def test_the_facts_are_those_of_the_tables(engine: Engine) -> None:
    with engine.begin() as connection:
        empty = alert_facts.read(connection, error_window_s=900, min_labels=1)
        assert (empty.failed, empty.scored, empty.oldest_waiting_s) == (0, 0, None)
        assert (empty.live_model, empty.live_since, list(empty.drift)) == (None, None, [])
        for model in ("m/1.0.0", "m/2.0.0", "m/2.0.0"):
            deployments.promote(
                connection, model, manifest_sha256="", metrics={}, deployed_by="a", reason=""
            )
        connection.execute(
            text(
                "INSERT INTO plumbline.drift_reports "
                "(model, source, verdict, summary, window_rows, reference_rows, took_ms) VALUES "
                "('m/2.0.0', NULL, 'drift', 'old', 1, 1, 1), "
                "('m/2.0.0', NULL, 'stable', 'new', 1, 1, 1), "
                "('m/2.0.0', 'shop', 'drift', 'shop', 1, 1, 1), "
                "('m/1.0.0', NULL, 'drift', 'gone', 1, 1, 1)"
            )
        )
    for state in ("quarantined", "rejected", "expired", "cancelled", "queued"):
        job(engine, state, age_s=50)
    with engine.begin() as connection:
        found = alert_facts.read(connection, error_window_s=900, min_labels=1)
    assert (found.failed, found.scored) == (2, 0)
    assert found.oldest_waiting_s == pytest.approx(50, abs=30)
    told = {(fact.source, fact.verdict, fact.summary) for fact in found.drift}
    assert told == {(None, "stable", "new"), ("shop", "drift", "shop")}
    with engine.begin() as connection:
        first = connection.execute(
            text("SELECT min(deployed_at) FROM plumbline.deployments WHERE model = 'm/2.0.0'")
        ).scalar_one()
    assert (found.live_model, found.live_since) == ("m/2.0.0", first)
