"""A neighbour that can publish in Redis may give no orders to workers, and learns nothing of them.

It has more rights than any user of Plumbline gets: it may publish and subscribe.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import redis
from celery import Celery

from plumbline.queues import BULK_QUEUE, KEY_PREFIX, SCORE_QUEUE, SCORE_TASK
from plumbline_client import Client
from storage import migrate
from storage.database import connect
from tests.celery_producer import bare_producer
from tests.servers import TESTER, for_worker, postgres_server, redis_server
from tests.waiting import eventually
from tests.workers import Worker, start_worker

# Whatever an operator passes, and what Celery accepts as settings on its command line.
OPTIONS = ("-E", "--", "worker.enable_remote_control=1", "worker.send_task_events=1")
ORDERS: list[tuple[str, dict[str, Any]]] = [
    ("pool_grow", {"n": 3}),
    ("pool_shrink", {"n": 1}),
    ("pool_restart", {"reload": True}),
    ("autoscale", {"max": 9, "min": 9}),
    ("rate_limit", {"task_name": SCORE_TASK, "rate_limit": "1/h"}),
    ("time_limit", {"task_name": SCORE_TASK, "hard": 0.001, "soft": 0.001}),
    ("cancel_consumer", {"queue": SCORE_QUEUE}),
    ("cancel_consumer", {"queue": BULK_QUEUE}),
    ("add_consumer", {"queue": "theirs", "exchange": "theirs", "routing_key": "theirs"}),
    ("revoke", {"task_id": "known", "terminate": True, "signal": "KILL"}),
    ("revoke_by_stamped_headers", {"headers": {"source": "shop"}, "terminate": True}),
    ("enable_events", {}),
    ("election", {"id": "1", "topic": "t", "action": None}),
    ("shutdown", {"msg": "go"}),
]
QUESTIONS = ("ping", "stats", "conf", "active", "reserved", "registered", "query_task", "hello")


@dataclass(frozen=True, slots=True)
class System:
    worker: Worker
    keys: redis.Redis
    neighbour: Celery
    client: Client


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    folder = tmp_path_factory.mktemp("orders")
    with (
        postgres_server(folder / "postgres") as database_url,
        redis_server(folder / "redis") as redis_url,
        redis.Redis.from_url(redis_url) as keys,
        bare_producer(redis_url) as neighbour,
    ):
        engine = connect(database_url)
        migrate.upgrade(engine)
        engine.dispose()
        # With the rights that a worker had before: only the worker itself can refuse.
        rights = [f"~{KEY_PREFIX}*", "&*", "+@all", "-@dangerous"]
        keys.execute_command("ACL", "SETUSER", "generous", "on", ">pw", *rights)
        generous = f"redis://generous:pw@{redis_url.rpartition('@')[2]}"
        with (
            start_worker(database_url, generous, folder, concurrency=1, options=OPTIONS) as worker,
            Client(database_url, for_worker(redis_url)) as client,
        ):
            yield System(worker, keys, neighbour, client)


def test_no_order_has_an_effect(system: System) -> None:
    children = system.worker.children()
    for order, arguments in ORDERS:
        system.neighbour.control.broadcast(order, arguments=arguments)
    # Two messages, one after the other: whatever an order changes would affect the second one.
    for text in ("See you at six", "WINNER!! Claim your prize"):
        job = system.client.submit(text).job_id
        assert system.client.wait([job], timeout_s=60)[0].state == "scored"
    assert system.worker.process.poll() is None
    assert system.worker.children() == children
    log = system.worker.log().lower()
    assert not any(
        word in log for word in ("got shutdown", "revok", "pidbox", "mingle", "traceback")
    )


def test_an_order_that_waits_in_a_queue_has_no_effect(system: System) -> None:
    """A reply queue of kombu's and the mailbox of a worker are lists that anybody could fill."""
    node = system.worker.log_file.stem
    for name in ("celery.pidbox", f"{node}@localhost.celery.pidbox", "celeryev"):
        system.keys.lpush(KEY_PREFIX + name, "{}")
    job = system.client.submit("Call me later").job_id
    assert system.client.wait([job], timeout_s=60)[0].state == "scored"


def test_no_question_is_answered_and_nothing_is_published(system: System) -> None:
    assert system.keys.pubsub_channels() == [] and system.keys.pubsub_numpat() == 0
    with system.keys.pubsub() as events:
        events.psubscribe("*")
        eventually(lambda: events.get_message() is not None, 10.0)
        inspect = system.neighbour.control.inspect(timeout=0.2)
        for question in QUESTIONS:
            arguments = (["x"],) if question == "query_task" else ()
            answer = (
                inspect.hello("neighbour@x")
                if question == "hello"
                else getattr(inspect, question)(*arguments)
            )
            assert not answer, question
        job = system.client.submit("An event for each text?").job_id
        assert system.client.wait([job], timeout_s=60)[0].state == "scored"
        published = []
        while (message := events.get_message()) is not None:
            published.append(message["channel"])
    # Only the neighbour's own questions.
    assert {channel for channel in published if b"pidbox" not in channel} == set()


def test_the_neighbour_has_more_rights_than_any_user_gets(system: System) -> None:
    assert system.keys.acl_whoami() == TESTER.name
    users = {user for user in system.keys.acl_users() if user not in (TESTER.name, "generous")}
    assert users == {"default", "admin", "worker", "monitor", "producer"}
    for user in users:
        assert system.keys.acl_getuser(user)["channels"] == []
