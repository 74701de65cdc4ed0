"""The sweep on a real PostgreSQL: nothing waits for ever, and no text is tried for ever."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest
import redis
from pydantic import SecretStr
from sqlalchemy import Engine, text

from plumbline.broker import queue_depth
from plumbline.settings import Settings
from plumbline_client.broker import Publisher
from plumbline_client.new_job import new_job
from storage.jobs import ledger
from storage.jobs.ledger import Lease
from storage.jobs.sweep import SweepResult, sweep
from worker import sweeper

NO_REDIS = "redis://127.0.0.1:1/0"


def accept(engine: Engine, count: int = 1) -> list[uuid.UUID]:
    jobs = [new_job(f"text {n}", source="test", max_chars=100) for n in range(count)]
    with engine.begin() as connection:
        ledger.accept(connection, jobs)
    return [job.id for job in jobs]


def claim(engine: Engine, *ids: uuid.UUID) -> list[Lease]:
    with engine.begin() as connection:
        return ledger.claim(connection, [], ids, 60.0)


def change(engine: Engine, assignment: str, *ids: uuid.UUID) -> None:
    with engine.begin() as connection:
        connection.execute(
            text(f"UPDATE plumbline.jobs SET {assignment} WHERE id = ANY(CAST(:ids AS uuid[]))"),
            {"ids": list(ids)},
        )


def lose_lease(engine: Engine, *ids: uuid.UUID) -> None:
    change(engine, "lease_until = now() - interval '1 second'", *ids)


def swept(engine: Engine, *, max_attempts: int = 3, most: int = 100) -> SweepResult:
    with engine.begin() as connection:
        found = sweep(connection, max_attempts=max_attempts, republish_after_s=60.0, most=most)
    assert found is not None
    return found


def row(engine: Engine, job_id: uuid.UUID) -> Any:
    with engine.connect() as connection:
        return connection.execute(
            text("SELECT * FROM plumbline.jobs WHERE id = :id"), {"id": job_id}
        ).one()


def settings(broker_url: str, **given: Any) -> Settings:
    return Settings(broker_url=SecretStr(broker_url), **given)


def test_what_was_published_lately_is_left_alone(engine: Engine) -> None:
    accept(engine)
    assert swept(engine) == SweepResult(fresh=[], suspects=[], expired=0, quarantined=0)


def test_a_lost_wake_up_is_sent_again_once(engine: Engine) -> None:
    (lost,) = accept(engine)
    change(engine, "published_at = now() - interval '61 seconds'", lost)
    assert swept(engine).fresh == [lost]
    assert swept(engine).fresh == []


def test_what_was_never_published_is_due_at_once_and_first(engine: Engine) -> None:
    old, never = accept(engine, 2)
    change(engine, "published_at = now() - interval '1 day'", old)
    change(engine, "published_at = NULL", never)
    assert swept(engine, most=1).fresh == [never]
    assert swept(engine, most=1).fresh == [old]


def test_without_room_in_the_queue_nothing_is_published(engine: Engine) -> None:
    (never,) = accept(engine)
    change(engine, "published_at = NULL", never)
    assert swept(engine, most=0).fresh == []
    assert swept(engine).fresh == [never]


def test_a_dead_lease_is_queued_again_and_travels_alone(engine: Engine) -> None:
    dead, fresh = accept(engine, 2)
    claim(engine, dead)
    lose_lease(engine, dead)
    change(engine, "published_at = NULL", fresh)
    found = swept(engine)
    assert (found.fresh, found.suspects) == ([fresh], [dead])
    again = row(engine, dead)
    assert (again.state, again.attempts) == ("queued", 1)
    assert again.error == "its worker died or did not finish in time"
    (lease,) = claim(engine, dead)
    assert lease.fence == 2


def test_a_lease_that_runs_is_left_alone(engine: Engine) -> None:
    (held,) = accept(engine)
    claim(engine, held)
    assert swept(engine).suspects == []
    assert row(engine, held).state == "leased"


def test_a_text_that_kills_its_worker_is_quarantined_with_the_reason(engine: Engine) -> None:
    (poison,) = accept(engine)
    for attempt in range(3):
        claim(engine, poison)
        lose_lease(engine, poison)
        found = swept(engine)
        assert found.quarantined == (attempt == 2)
    end = row(engine, poison)
    assert (end.state, end.attempts) == ("quarantined", 3)
    assert end.error == "given up after 3 attempts: its worker died or did not finish in time"
    assert end.finished_at is not None and end.lease_until is None
    assert claim(engine, poison) == []


def test_a_text_that_fails_each_time_is_quarantined_with_its_error(engine: Engine) -> None:
    (failing,) = accept(engine)
    for attempt in range(2):
        (lease,) = claim(engine, failing)
        with engine.begin() as connection:
            ledger.release(connection, lease, "ValueError: no")
        assert swept(engine, max_attempts=2).quarantined == attempt
    assert row(engine, failing).error == "given up after 2 attempts: ValueError: no"


def test_a_last_attempt_that_waits_for_redis_is_not_given_up(engine: Engine) -> None:
    """Two attempts of three are used; that its wake-up could not be sent is no third."""
    (unlucky,) = accept(engine)
    for _ in range(2):
        claim(engine, unlucky)
        lose_lease(engine, unlucky)
        assert swept(engine).suspects == [unlucky]
    with engine.begin() as connection:
        ledger.unpublish(connection, [unlucky])
    assert swept(engine).suspects == [unlucky]


def test_what_is_past_its_deadline_expires(engine: Engine) -> None:
    waiting, lost, held = accept(engine, 3)
    claim(engine, lost, held)
    change(engine, "deadline = now() - interval '1 second'", waiting, lost, held)
    lose_lease(engine, lost)
    assert swept(engine).expired == 2
    for expired in (waiting, lost):
        end = row(engine, expired)
        assert (end.state, end.error) == ("expired", "its deadline passed before it was scored")
    assert row(engine, held).state == "leased", "it is being scored, and may finish"


def test_of_two_sweepers_one_works(engine: Engine) -> None:
    (never,) = accept(engine)
    change(engine, "published_at = NULL", never)
    with engine.begin() as first, engine.begin() as second:
        arguments = {"max_attempts": 3, "republish_after_s": 60.0, "most": 10}
        found = sweep(first, **arguments)  # type: ignore[arg-type]
        assert found is not None and found.fresh == [never]
        assert sweep(second, **arguments) is None  # type: ignore[arg-type]
    assert swept(engine).fresh == []


def test_a_sweep_publishes_fresh_jobs_together_and_suspects_alone(
    engine: Engine, broker_url: str
) -> None:
    ids = accept(engine, 7)
    claim(engine, *ids[:2])
    lose_lease(engine, *ids[:2])
    change(engine, "published_at = NULL", *ids[2:])
    publisher = Publisher(broker_url)
    found = sweeper.run_sweep(engine, publisher, settings(broker_url, message_size=3))
    publisher.close()
    assert found is not None and len(found.suspects) == 2
    assert queue_depth(broker_url) == 2 + 2


def test_while_redis_is_full_jobs_stay_due(engine: Engine, broker_url: str) -> None:
    (never,) = accept(engine)
    change(engine, "published_at = NULL", never)
    publisher = Publisher(broker_url)
    with redis.Redis.from_url(broker_url) as keys:
        keys.config_set("maxmemory", "1")
        try:
            found = sweeper.run_sweep(engine, publisher, settings(broker_url))
            assert found is not None and found.fresh == []
        finally:
            keys.config_set("maxmemory", "0")
    found = sweeper.run_sweep(engine, publisher, settings(broker_url))
    publisher.close()
    assert found is not None and found.fresh == [never]
    assert queue_depth(broker_url) == 1


def test_while_redis_is_away_jobs_stay_due(engine: Engine, tmp_path: Path) -> None:
    (never,) = accept(engine)
    change(engine, "published_at = NULL", never)
    publisher = Publisher(NO_REDIS)
    found = sweeper.run_sweep(engine, publisher, settings(NO_REDIS))
    publisher.close()
    assert found is not None and found.fresh == []
    assert swept(engine).fresh == [never]


def test_what_redis_did_not_take_is_due_again_at_once(engine: Engine, broker_url: str) -> None:
    """Redis goes between the sweep's look at the queue and its messages."""
    ids = accept(engine, 2)
    change(engine, "published_at = NULL", *ids)
    publisher = Publisher(NO_REDIS)
    found = sweeper.run_sweep(engine, publisher, settings(broker_url))
    publisher.close()
    assert found is not None and sorted(found.fresh) == sorted(ids)
    assert sorted(swept(engine).fresh) == sorted(ids)


def test_while_plenty_wait_nothing_is_sent_again(
    engine: Engine, broker_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeper, "ENOUGH_WAITING", 1)
    first, second = accept(engine, 2)
    publisher = Publisher(broker_url)
    publisher.wake([first])
    change(engine, "published_at = now() - interval '1 hour'", first, second)
    found = sweeper.run_sweep(engine, publisher, settings(broker_url))
    assert found is not None and found.fresh == []
    change(engine, "published_at = NULL", second)
    found = sweeper.run_sweep(engine, publisher, settings(broker_url))
    publisher.close()
    assert found is not None and found.fresh == [second], "it cannot be among those that wait"
    assert queue_depth(broker_url) == 2
