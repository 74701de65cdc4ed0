"""Real prefork workers, from a message in Redis to a row in PostgreSQL."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
import redis
from celery import Celery
from sqlalchemy import Engine

from plumbline.queues import KEY_PREFIX, SCORE_QUEUE
from plumbline_client import Client
from plumbline_client.identity import keyed_id
from plumbline_client.message import wake_up
from plumbline_client.results import Result
from storage.database import connect
from storage.serving import deployments
from tests import poison
from tests.artifacts import PASSED, version_record, write_copy
from tests.celery_producer import bare_producer, send
from tests.servers import database, redis_server
from tests.waiting import eventually
from tests.workers import Worker, start_worker

LONG = "Your parcel waits at the depot until noon. " * 1_000


@dataclass(frozen=True, slots=True)
class Running:
    worker: Worker
    client: Client
    engine: Engine
    producer: Celery
    redis: redis.Redis


@pytest.fixture(scope="module")
def running(
    postgres_server_url: str,
    template: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Running]:
    """Run one worker, with its own database and Redis, for all tests that only send messages."""
    with (
        database(postgres_server_url, template) as url,
        redis_server(tmp_path_factory.mktemp("redis")) as broker_url,
        redis.Redis.from_url(broker_url) as keys,
        start_worker(url, broker_url, tmp_path_factory.mktemp("worker")) as worker,
        Client(url, broker_url) as client,
        bare_producer(broker_url) as producer,
    ):
        engine = connect(url)
        yield Running(worker, client, engine, producer, keys)
        engine.dispose()


def results_of(client: Client, source: str) -> list[Result]:
    return sorted(client.results(source=source, limit=None), key=lambda r: r.text or "")


def wait_for_scored(
    client: Client, source: str, count: int, timeout_s: float = 60.0
) -> list[Result]:
    """Return the scored results of a source once there are at least `count`."""

    def scored() -> list[Result]:
        results = [row for row in results_of(client, source) if row.state == "scored"]
        return results if len(results) >= count else []

    return eventually(
        scored, timeout_s, f"{count} texts of {source} are not scored within {timeout_s:g} s"
    )


def test_a_text_from_the_client_becomes_a_row(running: Running) -> None:
    receipts = list(
        running.client.submit_many(
            ["WINNER!! Claim your prize now, call 09061701461", "See you at six?", " ", LONG],
            source="client",
        )
    )
    spam, ham, empty, long = running.client.wait(
        [receipt.job_id for receipt in receipts], timeout_s=180
    )
    assert (spam.label, spam.decision) == ("spam", "positive")
    assert (ham.label, ham.decision) == ("ham", "negative")
    assert (empty.state, empty.error) == ("rejected", "the text is empty")
    assert long.state == "scored" and long.windows is not None and long.windows > 5
    assert spam.model == "sms-spam/1.0.0" and spam.attempts == 1
    assert spam.queue_ms is not None and spam.queue_ms > 0.0


def test_the_texts_of_a_bare_message_become_rows(running: Running) -> None:
    jobs = [
        {"text": "one"},
        {"text": "two", "key": "k"},
        {"text": " "},
        {"text": "a\x00b\ud800"},
        {"text": "late", "deadline": "2020-01-01T00:00:00Z"},
        {"text": "bad key", "key": "a\x00"},
    ]
    sent = send(running.producer, {"version": 1, "source": "bare", "jobs": jobs})
    wait_for_scored(running.client, "bare", 3)
    results = {row.text or row.error: row for row in results_of(running.client, "bare")}
    assert {key: row.state for key, row in results.items()} == {
        "one": "scored",
        "two": "scored",
        "the text is empty": "rejected",
        "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}": "scored",
        "late": "expired",
        "the key has a NUL or a lone surrogate, which PostgreSQL cannot hold": "rejected",
    }
    assert results["two"].job_id == keyed_id("bare", "k")
    running.worker.wait_for_log(f"message {sent}: 3 scored, 2 rejected, 0 failed, 1 done elsewhere")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({}, "version: Field required"),
        ({"version": 1, "jobs": [{"text": 3}]}, "jobs.0.text: Input should be a valid string"),
        ({"version": 1, "jobs": [{"id": "x"}]}, "jobs.0.id: Input should be a valid UUID"),
        ({"version": 9, "jobs": [{"text": "x"}]}, "version: Input should be less than"),
        ({"version": 1, "jobs": [{"text": "x"}] * 1001}, "jobs: List should have at most 1000"),
        ({"version": 1, "source": "a\x00", "jobs": [{"text": "x"}]}, "source: Value error, the"),
        ({"version": 1, "jobs": [{"text": "x"}], "nonsense": 1}, "(unknown): Extra inputs"),
    ],
)
def test_an_invalid_message_is_logged_with_the_reason(
    running: Running, arguments: dict[str, Any], reason: str
) -> None:
    sent = send(running.producer, arguments)
    running.worker.wait_for_log(f"message {sent} is rejected: {reason}")


def test_the_worker_survives_other_invalid_messages(running: Running) -> None:
    with_args = running.producer.send_task("plumbline.score", ["text"], queue="plumbline.score")
    running.producer.send_task("plumbline.unknown", queue="plumbline.score")
    running.producer.send_task("plumbline.score", queue="plumbline.score", serializer="pickle")
    running.worker.wait_for_log(f"message {with_args.id} is rejected: args: the task takes")
    running.worker.wait_for_log("is rejected: there is no task with that name")
    running.worker.wait_for_log("content-type: only application/json is accepted")
    running.client.submit("alive", source="alive")
    wait_for_scored(running.client, "alive", 1)


def test_a_repeated_message_scores_its_texts_once(running: Running) -> None:
    receipt = running.client.submit("again", source="again")
    for _ in range(5):
        send(running.producer, wake_up([receipt.job_id]))
    bare = {"version": 1, "source": "again", "jobs": [{"text": "bare"}, {"text": "k", "key": "k"}]}
    task_id = str(uuid.uuid4())
    for _ in range(5):
        send(running.producer, bare, task_id=task_id)
    send(running.producer, {"version": 1, "source": "again", "jobs": [{"text": "k", "key": "k"}]})
    last = send(running.producer, {"version": 1, "source": "last", "jobs": [{"text": "last"}]})
    running.worker.wait_for_log(f"{last}: 1 scored")
    running.worker.wait_for_log(f"message {task_id}: ", times=5)
    results = wait_for_scored(running.client, "again", 3)
    assert [(row.text, row.attempts) for row in results] == [("again", 1), ("bare", 1), ("k", 1)]


def test_a_message_may_have_any_printable_id(running: Running) -> None:
    jobs = {"version": 1, "source": "named", "jobs": [{"text": "text"}]}
    send(running.producer, jobs, task_id="%s" + "ñ" * 198)
    wait_for_scored(running.client, "named", 1)
    rejected = "message without a valid id is rejected: id: the message needs an id of 1 to 200"
    before = running.worker.log().count(rejected)
    send(running.producer, jobs, task_id="\ud800 %s \x00 " + "n" * 300)
    running.worker.wait_for_log(rejected, times=before + 1)


def test_each_queue_has_its_own_exchange(running: Running) -> None:
    """Otherwise a message sent to the exchange, as some producers do, would enter both queues."""
    bound = cast(set[bytes], running.redis.smembers(f"{KEY_PREFIX}_kombu.binding.{SCORE_QUEUE}"))
    assert {binding.decode().split("\x06\x16")[-1] for binding in bound} == {SCORE_QUEUE}


def promote(engine: Engine, models: Path, model: str) -> None:
    with engine.begin() as connection:
        record = version_record(models, model)
        deployments.promote(connection, record, deployed_by="test", reason="test")


def test_a_promoted_version_serves_from_the_next_message_on(
    database_url: str, broker_url: str, engine: Engine, tmp_path: Path
) -> None:
    models = tmp_path / "models"
    write_copy(models, "1.0.0", PASSED)
    settings = {"models_dir": models}
    with (
        start_worker(
            database_url, broker_url, tmp_path, settings=settings, concurrency=1
        ) as worker,
        Client(database_url, broker_url) as client,
    ):

        def model_of_next_text() -> str | None:
            return client.wait([client.submit("Which one are you?").job_id])[0].model

        assert model_of_next_text() == "sms-spam/1.0.0"
        write_copy(models, "1.1.0", PASSED)
        assert model_of_next_text() == "sms-spam/1.0.0", "it is not promoted yet"
        promote(engine, models, "sms-spam/1.1.0")
        assert model_of_next_text() == "sms-spam/1.1.0"
        promote(engine, models, "sms-spam/2.0.0")
        assert model_of_next_text() == "sms-spam/1.1.0", "the loaded version continues to serve"
        worker.wait_for_log(
            "sms-spam/2.0.0 cannot be loaded; sms-spam/1.1.0 continues to serve: There is no"
        )
        promote(engine, models, "sms-spam/1.0.0")
        with engine.connect() as connection:
            history = [d.model.partition("/")[2] for d in deployments.history(connection)]
        assert history == ["1.0.0", "2.0.0", "1.1.0", "1.0.0"]


def test_a_worker_resumes_after_a_restart_of_redis(database_url: str, tmp_path: Path) -> None:
    with redis_server(tmp_path / "redis") as url:
        context = start_worker(database_url, url, tmp_path, concurrency=1)
        worker = context.__enter__()
        with Client(database_url, url) as client:
            client.wait([client.submit("before").job_id])
    worker.wait_for_log("consumer: Cannot connect to redis://")
    with redis_server(tmp_path / "redis"), Client(database_url, url) as client:
        client.wait([client.submit("after").job_id])
        context.__exit__(None, None, None)


def test_a_draining_worker_finishes_the_text_in_flight(
    database_url: str, broker_url: str, engine: Engine, tmp_path: Path
) -> None:
    with (
        Client(database_url, broker_url) as client,
        start_worker(
            database_url, broker_url, tmp_path, app="tests.poison_app", concurrency=1
        ) as worker,
    ):
        # Short enough to travel together, and each takes less than the 7 s after which a drain
        # returns it, also on a busy machine.
        texts = [f"{poison.SLOW}0.5 {number} {LONG[:4_800]}" for number in range(12)]
        ids = [receipt.job_id for receipt in client.submit_many(texts)]
        worker.wait_for_leases(engine, 12)
        # Before that, the worker orders the texts, and a drain returns all of them.
        worker.wait_for_log("scoring a slow text")
        worker.drain()
        assert worker.process.returncode == 0
        ends = {(row.state, row.attempts) for row in client.results(ids=ids)}
        assert ends == {("scored", 1), ("queued", 0)}
