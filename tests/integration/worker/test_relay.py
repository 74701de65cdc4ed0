"""What enters the ledger without a wake-up is scored at once, whatever comes and goes meanwhile."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import pytest
import redis
from pydantic import SecretStr
from sqlalchemy import Engine, text

from plumbline.broker import queue_depth
from plumbline.queues import BULK_QUEUE, KEY_PREFIX, SCORE_QUEUE
from plumbline.settings import Settings
from plumbline_client import Client
from plumbline_client.broker import Publisher
from storage import migrate
from storage.database import connect
from storage.jobs import ledger, outbox
from tests.servers import postgres_server, redis_server
from tests.waiting import eventually
from tests.workers import beat, worker
from worker.relay import Relay, relay_once
from worker.sweeper import run_sweep

SOON_S = 2.0
# The tests below must owe nothing to the periodic sweep.
NO_SWEEPS = {"sweep_every_s": 3_600}


def submit(engine: Engine, value: str = "See you at six") -> uuid.UUID:
    with engine.begin() as connection:
        found: uuid.UUID = connection.execute(
            text("SELECT plumbline.submit_v1(:text)"), {"text": value}
        ).scalar_one()
        return found


def settings(broker_url: str, **given: object) -> Settings:
    return Settings.model_validate({"broker_url": SecretStr(broker_url)} | given)


@contextmanager
def relay(database_url: str, broker_url: str) -> Iterator[Relay]:
    found = Relay(connect(database_url), Publisher(broker_url), settings(broker_url))
    found.start()
    try:
        yield found
    finally:
        found.stop()


def until_listening(engine: Engine, count: int = 1) -> None:
    query = text(
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND query LIKE 'LISTEN%' AND state = 'idle'"
    )

    def listening() -> bool:
        with engine.connect() as connection:
            return connection.execute(query).scalar_one() >= count

    eventually(listening)


def depths(broker_url: str) -> tuple[int, int]:
    return queue_depth(broker_url, SCORE_QUEUE), queue_depth(broker_url, BULK_QUEUE)


@pytest.fixture
def publisher(broker_url: str) -> Iterator[Publisher]:
    found = Publisher(broker_url)
    yield found
    found.close()


def test_a_text_submitted_in_sql_is_scored_within_two_seconds(
    database_url: str, broker_url: str, engine: Engine, tmp_path: Path
) -> None:
    with (
        worker(database_url, broker_url, tmp_path, concurrency=1),
        beat(database_url, broker_url, tmp_path, settings=NO_SWEEPS),
        Client(database_url, broker_url) as client,
    ):
        until_listening(engine)
        waits = []
        for number in range(5):
            (result,) = client.wait([submit(engine, f"text {number}")])
            assert result.state == "scored" and result.finished_at is not None
            waits.append((result.finished_at - result.created_at).total_seconds())
    assert max(waits) < SOON_S, waits


def test_what_is_released_and_announced_goes_on_at_once(
    database_url: str, broker_url: str, engine: Engine
) -> None:
    with relay(database_url, broker_url):
        until_listening(engine)
        job_id = submit(engine)
        eventually(lambda: queue_depth(broker_url) == 1, SOON_S)
        with engine.begin() as connection:
            (lease,) = ledger.claim(connection, [], [job_id], 60.0)
        with engine.begin() as connection:
            ledger.release(connection, lease)
            outbox.announce(connection)
        eventually(lambda: queue_depth(broker_url) == 2, SOON_S)


def test_few_go_express_many_go_bulk_and_suspects_alone(
    engine: Engine, broker_url: str, publisher: Publisher
) -> None:
    first = submit(engine)
    assert relay_once(engine, publisher, settings(broker_url))
    assert depths(broker_url) == (1, 0)
    with engine.begin() as connection:
        (lease,) = ledger.claim(connection, [], [first], 60.0)
        ledger.release(connection, lease, "it failed")
    for number in range(7):
        submit(engine, f"text {number}")
    assert relay_once(engine, publisher, settings(broker_url, message_size=5))
    assert depths(broker_url) == (1 + 1 + 1, 1)
    assert relay_once(engine, publisher, settings(broker_url))
    assert depths(broker_url) == (3, 1), "nothing is published twice"


def test_what_used_up_its_attempts_is_left_to_the_sweeper(
    engine: Engine, broker_url: str, publisher: Publisher
) -> None:
    with engine.begin() as connection:
        (lease,) = ledger.claim(connection, [], [submit(engine)], 60.0)
        ledger.release(connection, lease, "it failed")
    assert relay_once(engine, publisher, settings(broker_url, max_attempts=1))
    assert depths(broker_url) == (0, 0)


def test_two_relays_publish_each_job_once(
    database_url: str, broker_url: str, engine: Engine
) -> None:
    with relay(database_url, broker_url), relay(database_url, broker_url):
        until_listening(engine, 2)
        with ThreadPoolExecutor(4) as threads:
            submitted = list(threads.map(lambda n: submit(engine, f"text {n}"), range(100)))
        eventually(lambda: len(woken(broker_url)) >= 100)
    assert sorted(woken(broker_url)) == sorted(submitted)


def woken(broker_url: str) -> list[uuid.UUID]:
    """The jobs of all messages in Redis."""
    with redis.Redis.from_url(broker_url) as keys:
        waiting = [
            json.loads(message)["body"]
            for queue in (SCORE_QUEUE, BULK_QUEUE)
            for message in cast(list[bytes], keys.lrange(KEY_PREFIX + queue, 0, -1))
        ]
    kwargs = [json.loads(base64.b64decode(body))[1] for body in waiting]
    return [uuid.UUID(job["id"]) for message in kwargs for job in message["jobs"]]


def test_the_relay_outlives_postgres_and_redis(tmp_path: Path) -> None:
    with redis_server(tmp_path / "redis") as broker_url:
        with postgres_server(tmp_path / "postgres") as database_url:
            engine = connect(database_url)
            migrate.upgrade(engine)
            context = relay(database_url, broker_url)
            context.__enter__()
            until_listening(engine)
        engine.dispose()
        with postgres_server(tmp_path / "postgres"):
            until_listening(engine)
            submit(engine)
            eventually(lambda: queue_depth(broker_url) == 1)
    with postgres_server(tmp_path / "postgres"):
        eventually(lambda: submit(engine, "while Redis is away"))
        with redis_server(tmp_path / "redis"):
            eventually(lambda: queue_depth(broker_url) == 2)
            submit(engine, "after it came back")
            eventually(lambda: queue_depth(broker_url) == 3)
            context.__exit__(None, None, None)
    engine.dispose()


def test_without_a_relay_the_sweep_finds_it(
    engine: Engine, broker_url: str, publisher: Publisher
) -> None:
    job_id = submit(engine)
    swept = run_sweep(engine, publisher, settings(broker_url))
    assert swept is not None and swept.fresh == [job_id]
    assert woken(broker_url) == [job_id]


def test_what_redis_does_not_take_waits_in_the_ledger(
    engine: Engine, broker_url: str, publisher: Publisher
) -> None:
    submit(engine)
    with redis.Redis.from_url(broker_url) as keys:
        keys.config_set("maxmemory", "1")
        try:
            assert not relay_once(engine, publisher, settings(broker_url))
        finally:
            keys.config_set("maxmemory", "0")
    assert relay_once(engine, publisher, settings(broker_url))
    assert queue_depth(broker_url) == 1
