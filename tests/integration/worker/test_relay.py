"""The relay publishes jobs that enter the ledger without a wake-up, also after outages."""

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
from sqlalchemy import Engine, text

from plumbline.broker import queue_depth
from plumbline.queues import EXPRESS_MAX_TEXTS, KEY_PREFIX, SCORING_QUEUES
from plumbline.settings import Settings
from plumbline_client import Client
from plumbline_client.broker import Publisher
from plumbline_client.errors import BrokerUnavailable
from plumbline_client.queues import lanes
from plumbline_client.services import Services
from storage import migrate
from storage.database import connect
from storage.jobs import announcements
from storage.jobs.claim import claim
from storage.jobs.leases import release
from tests.servers import postgres_server, redis_server
from tests.waiting import eventually
from tests.workers import start_beat, start_worker
from worker.relay import Relay, relay_once
from worker.sweeper import run_sweep

SOON_S = 2.0
# So that the periodic sweep contributes nothing.
NO_SWEEPS = {"sweep_every_s": 3_600}


@pytest.fixture
def services(database_url: str, broker_url: str) -> Services:
    return Services(database_url, broker_url)


@pytest.fixture
def publisher(broker_url: str) -> Iterator[Publisher]:
    with Publisher(broker_url) as publisher:
        yield publisher


def submit(engine: Engine, value: str = "See you at six") -> uuid.UUID:
    with engine.begin() as connection:
        job_id: uuid.UUID = connection.execute(
            text("SELECT plumbline.submit_v1(:text)"), {"text": value}
        ).scalar_one()
        return job_id


@contextmanager
def running_relay(services: Services) -> Iterator[Relay]:
    relay = Relay(Settings(), services)
    relay.start()
    try:
        yield relay
    finally:
        relay.stop()


def wait_until_listening(engine: Engine, relays: int = 1) -> None:
    query = text(
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND query LIKE 'LISTEN%' AND state = 'idle'"
    )

    def are_listening() -> bool:
        with engine.connect() as connection:
            return connection.execute(query).scalar_one() >= relays

    eventually(are_listening)


def depths(broker_url: str) -> tuple[int, ...]:
    """Return the number of express messages, of bulk messages and of suspects."""
    return tuple(queue_depth(broker_url, queue) for queue in SCORING_QUEUES)


def published_jobs(broker_url: str) -> list[uuid.UUID]:
    """Return the jobs of all messages in Redis."""
    with redis.Redis.from_url(broker_url) as keys:
        bodies = [
            json.loads(message)["body"]
            for queue in SCORING_QUEUES
            for name in (queue, *lanes(queue))
            for message in cast(list[bytes], keys.lrange(KEY_PREFIX + name, 0, -1))
        ]
    arguments = [json.loads(base64.b64decode(body))[1] for body in bodies]
    return [uuid.UUID(job["id"]) for message in arguments for job in message["jobs"]]


def test_a_text_submitted_in_sql_is_scored_within_two_seconds(
    database_url: str, broker_url: str, engine: Engine, tmp_path: Path
) -> None:
    with (
        start_worker(database_url, broker_url, tmp_path, concurrency=1),
        start_beat(database_url, broker_url, tmp_path, settings=NO_SWEEPS),
        Client(database_url, broker_url) as client,
    ):
        wait_until_listening(engine)
        durations_s = []
        for number in range(5):
            (result,) = client.wait([submit(engine, f"text {number}")])
            assert result.state == "scored" and result.finished_at is not None
            durations_s.append((result.finished_at - result.created_at).total_seconds())
    assert max(durations_s) < SOON_S, durations_s


def test_a_released_and_announced_job_is_published_at_once(
    services: Services, engine: Engine
) -> None:
    with running_relay(services):
        wait_until_listening(engine)
        job_id = submit(engine)
        eventually(lambda: queue_depth(services.broker_url) == 1, SOON_S)
        with engine.begin() as connection:
            (lease,) = claim(connection, [], [job_id], 60.0)
        with engine.begin() as connection:
            release(connection, lease)
            announcements.notify_relay(connection)
        eventually(lambda: queue_depth(services.broker_url) == 2, SOON_S)


def test_few_jobs_are_express_many_are_bulk_and_suspects_travel_alone(
    engine: Engine, services: Services, publisher: Publisher
) -> None:
    first = submit(engine)
    relay_once(engine, publisher, Settings(), services)
    assert depths(services.broker_url) == (1, 0, 0)
    with engine.begin() as connection:
        (lease,) = claim(connection, [], [first], 60.0)
        release(connection, lease, "it failed")
    for number in range(EXPRESS_MAX_TEXTS + 3):
        submit(engine, f"text {number}")
    relay_once(engine, publisher, Settings(message_size=EXPRESS_MAX_TEXTS + 1), services)
    assert depths(services.broker_url) == (1 + 1, 1, 1)
    relay_once(engine, publisher, Settings(), services)
    assert depths(services.broker_url) == (2, 1, 1), "nothing is published twice"


def test_a_job_without_attempts_left_is_not_published(
    engine: Engine, services: Services, publisher: Publisher
) -> None:
    with engine.begin() as connection:
        (lease,) = claim(connection, [], [submit(engine)], 60.0)
        release(connection, lease, "it failed")
    relay_once(engine, publisher, Settings(max_attempts=1), services)
    assert depths(services.broker_url) == (0, 0, 0)


def test_two_relays_publish_each_job_once(services: Services, engine: Engine) -> None:
    with running_relay(services), running_relay(services):
        wait_until_listening(engine, relays=2)
        with ThreadPoolExecutor(4) as threads:
            submitted = list(threads.map(lambda n: submit(engine, f"text {n}"), range(100)))
        eventually(lambda: len(published_jobs(services.broker_url)) >= 100)
    assert sorted(published_jobs(services.broker_url)) == sorted(submitted)


def test_the_relay_survives_outages_of_postgresql_and_redis(tmp_path: Path) -> None:
    with redis_server(tmp_path / "redis") as broker_url:
        with postgres_server(tmp_path / "postgres") as database_url:
            engine = connect(database_url)
            migrate.upgrade(engine)
            context = running_relay(Services(database_url, broker_url))
            context.__enter__()
            wait_until_listening(engine)
        engine.dispose()
        with postgres_server(tmp_path / "postgres"):
            wait_until_listening(engine)
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


def test_a_sweep_publishes_the_job_if_no_relay_is_running(
    engine: Engine, services: Services, publisher: Publisher
) -> None:
    job_id = submit(engine)
    swept = run_sweep(engine, publisher, Settings(), services)
    assert swept is not None and swept.fresh == [job_id]
    assert published_jobs(services.broker_url) == [job_id]


def test_jobs_that_redis_does_not_accept_stay_in_the_outbox(
    engine: Engine, services: Services, publisher: Publisher
) -> None:
    submit(engine)
    with redis.Redis.from_url(services.broker_url) as keys:
        keys.config_set("maxmemory", "1")
        try:
            with pytest.raises(BrokerUnavailable, match="OOM"):
                relay_once(engine, publisher, Settings(), services)
        finally:
            keys.config_set("maxmemory", "0")
    relay_once(engine, publisher, Settings(), services)
    assert queue_depth(services.broker_url) == 1
