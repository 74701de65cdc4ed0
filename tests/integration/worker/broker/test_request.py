"""Messages whose process dies, and messages that the parent itself rejects, with real workers."""

from __future__ import annotations

import json
import os
import signal
import uuid
from pathlib import Path
from typing import Any

import redis
from sqlalchemy import Engine

from plumbline.queues import KEY_PREFIX, SCORE_QUEUE
from plumbline_client import Client
from tests.celery_producer import envelope
from tests.ledger import count_jobs, count_predictions
from tests.waiting import eventually
from tests.workers import start_beat, start_worker

LONG = "Your parcel waits at the depot until noon. " * 500
EMBEDDED = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}


def test_a_message_that_the_parent_rejects_is_logged_once_with_its_id(
    database_url: str, broker_url: str, engine: Engine, tmp_path: Path
) -> None:
    arguments = {"version": 1, "jobs": [{"text": "one"}]}
    bodies: dict[str, tuple[object, dict[str, Any]]] = {
        "args: the positional arguments are not a list": ([7, arguments, EMBEDDED], {}),
        "kwargs: the keyword arguments are not an object": ([[], 7, EMBEDDED], {}),
        "embed: the embedded options are not an object": ([[], arguments, 7], {}),
        "expires: it is not an ISO 8601 time": ([[], arguments, EMBEDDED], {"expires": "soon"}),
    }
    with (
        start_worker(database_url, broker_url, tmp_path, concurrency=1) as worker,
        redis.Redis.from_url(broker_url) as keys,
        Client(database_url, broker_url) as client,
    ):
        children = worker.children()
        for reason, (body, headers) in bodies.items():
            task_id = str(uuid.uuid4())
            message = envelope(task_id, json.dumps(body).encode(), **headers)
            keys.lpush(KEY_PREFIX + SCORE_QUEUE, json.dumps(message))
            worker.wait_for_log(f"message {task_id} is rejected: {reason}")
            assert worker.log().count(f"message {task_id} is rejected") == 1
        assert count_jobs(engine) == 0
        client.wait([client.submit("See you at six").job_id])
        assert worker.children() == children


def test_a_time_limit_in_a_message_is_ignored(
    database_url: str, broker_url: str, engine: Engine, tmp_path: Path
) -> None:
    """Celery would kill the child at the first and the worker would end at the second."""
    arguments = {"version": 1, "jobs": [{"text": LONG}]}
    body = json.dumps([[], arguments, EMBEDDED]).encode()
    with (
        start_worker(database_url, broker_url, tmp_path, concurrency=1) as worker,
        redis.Redis.from_url(broker_url) as keys,
    ):
        children = worker.children()
        for limit in (0.001, "soon"):
            message = envelope(str(uuid.uuid4()), body, timelimit=[limit, limit])
            keys.lpush(KEY_PREFIX + SCORE_QUEUE, json.dumps(message))
        eventually(lambda: count_predictions(engine) == 2)
        assert worker.children() == children


def test_a_child_killed_during_a_message_loses_nothing(
    database_url: str, broker_url: str, engine: Engine, tmp_path: Path
) -> None:
    with (
        start_worker(database_url, broker_url, tmp_path, concurrency=1) as worker,
        start_beat(database_url, broker_url, tmp_path, settings={"sweep_every_s": 0.5}),
        Client(database_url, broker_url, source="killed") as client,
    ):
        # Short enough to travel together, and many enough to take seconds.
        ids = [r.job_id for r in client.submit_many(f"{n} {LONG[:4_800]}" for n in range(16))]
        worker.wait_for_leases(engine, 16)
        os.kill(worker.children()[0], signal.SIGKILL)
        assert count_predictions(engine) == 0, "it was killed after it had finished"
        results = client.wait(ids)
        assert {(row.state, row.error) for row in results} == {("scored", None)}
        # Only the text in flight keeps its attempt; the crash report returns the others.
        assert sorted(row.attempts for row in results) == [1] * 15 + [2]
        assert count_predictions(engine) == 16


def test_children_killed_repeatedly_lose_nothing(
    database_url: str, broker_url: str, engine: Engine, tmp_path: Path
) -> None:
    settings = {
        "lease_s": 0.2,
        "sweep_every_s": 0.5,
        "republish_after_s": 3,
        "max_attempts": 20,
    }
    with (
        start_worker(database_url, broker_url, tmp_path, settings=settings) as worker,
        start_beat(database_url, broker_url, tmp_path, settings=settings),
        Client(database_url, broker_url, message_size=2) as client,
    ):
        ids = [r.job_id for r in client.submit_many(f"{n} {LONG[:2_000]}" for n in range(80))]
        for killed in range(4):
            eventually(lambda k=killed: count_predictions(engine) >= 15 * k)  # type: ignore[misc]
            os.kill(eventually(worker.children)[0], signal.SIGKILL)
        results = client.wait(ids, timeout_s=120)
        assert {row.state for row in results} == {"scored"}
        assert count_predictions(engine) == 80
