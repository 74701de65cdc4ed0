"""The sweeper on real servers: a job stays due until Redis has accepted its wake-up."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from sqlalchemy import Engine

from plumbline.broker import queue_depth
from plumbline.settings import Settings
from plumbline_client.broker import Publisher
from plumbline_client.services import Services
from storage.jobs.sweep import SweepResult
from tests.ledger import Ledger
from worker import sweeper

NO_REDIS = "redis://127.0.0.1:1/0"


@pytest.fixture
def ledger(engine: Engine) -> Ledger:
    return Ledger(engine)


@pytest.fixture
def publisher(broker_url: str) -> Iterator[Publisher]:
    with Publisher(broker_url) as publisher:
        yield publisher


@pytest.fixture
def disconnected_publisher() -> Iterator[Publisher]:
    with Publisher(NO_REDIS) as publisher:
        yield publisher


def run_sweep(ledger: Ledger, publisher: Publisher, broker_url: str, **options: Any) -> SweepResult:
    database_url = ledger.engine.url.render_as_string(hide_password=False)
    result = sweeper.run_sweep(
        ledger.engine, publisher, Settings(**options), Services(database_url, broker_url)
    )
    assert result is not None
    return result


def unpublished(ledger: Ledger, count: int = 1) -> list[uuid.UUID]:
    ids = ledger.accept_texts(count)
    ledger.change("published_at = NULL", *ids)
    return ids


def test_fresh_jobs_share_messages_and_suspects_get_one_each(
    ledger: Ledger, publisher: Publisher, broker_url: str
) -> None:
    suspects = ledger.accept_texts(2)
    ledger.claim(*suspects)
    ledger.change("lease_until = now() - interval '1 second'", *suspects)
    unpublished(ledger, 5)
    result = run_sweep(ledger, publisher, broker_url, message_size=3)
    assert len(result.suspects) == 2
    assert queue_depth(broker_url) == 2 + 2


def test_jobs_stay_due_while_redis_is_full(
    ledger: Ledger, publisher: Publisher, broker_url: str
) -> None:
    ids = unpublished(ledger)
    with redis.Redis.from_url(broker_url) as keys:
        keys.config_set("maxmemory", "1")
        try:
            assert run_sweep(ledger, publisher, broker_url).fresh == []
        finally:
            keys.config_set("maxmemory", "0")
    assert run_sweep(ledger, publisher, broker_url).fresh == ids
    assert queue_depth(broker_url) == 1


def test_jobs_stay_due_while_redis_is_unavailable(
    ledger: Ledger, publisher: Publisher, disconnected_publisher: Publisher, broker_url: str
) -> None:
    ids = unpublished(ledger)
    assert run_sweep(ledger, disconnected_publisher, NO_REDIS).fresh == []
    assert run_sweep(ledger, publisher, broker_url).fresh == ids


def test_jobs_that_redis_did_not_accept_are_due_again_at_once(
    ledger: Ledger, publisher: Publisher, disconnected_publisher: Publisher, broker_url: str
) -> None:
    """Redis becomes unavailable after the sweeper has read the queue's depth."""
    ids = unpublished(ledger, 2)
    result = run_sweep(ledger, disconnected_publisher, broker_url)
    assert sorted(result.fresh) == sorted(ids)
    assert sorted(run_sweep(ledger, publisher, broker_url).fresh) == sorted(ids)


def test_lost_wake_ups_are_not_sent_again_while_the_queue_is_deep(
    ledger: Ledger, publisher: Publisher, broker_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeper, "DEEP_QUEUE", 1)
    first, second = ledger.accept_texts(2)
    publisher.wake([first])
    ledger.change("published_at = now() - interval '1 hour'", first, second)
    assert run_sweep(ledger, publisher, broker_url).fresh == []
    ledger.change("published_at = NULL", second)
    result = run_sweep(ledger, publisher, broker_url)
    assert result.fresh == [second], "an unpublished job cannot be in the queue already"
    assert queue_depth(broker_url) == 2
