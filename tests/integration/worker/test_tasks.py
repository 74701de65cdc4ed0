"""Real prefork workers: from a text in Redis to a row in Postgres, whatever is killed between."""

from __future__ import annotations

import os
import shutil
import signal
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import pytest
import redis
from celery import Celery
from sqlalchemy import Engine, text

from plumbline.queues import KEY_PREFIX, SCORE_QUEUE
from plumbline.settings import Settings
from plumbline_client import Client
from plumbline_client.identity import keyed_id
from plumbline_client.message import wake_up
from plumbline_client.results import Result
from scoring.artifact.manifest import Manifest
from storage import migrate
from storage.database import connect
from storage.serving import deployments
from tests.servers import database, postgres_server, redis_server
from tests.waiting import eventually
from tests.workers import MODELS, Worker, beat, refusal, worker

SHIPPED = MODELS / "sms-spam" / "1.0.0"
LONG = "Your parcel waits at the depot until noon. " * 1_000


@dataclass(frozen=True, slots=True)
class Running:
    worker: Worker
    client: Client
    engine: Engine
    producer: Celery
    redis: redis.Redis


def bare_producer(broker_url: str) -> Celery:
    """An app of somebody who has read the documentation of the message and nothing else."""
    app = Celery("stranger", broker=broker_url, set_as_current=False)
    app.conf.broker_transport_options = {"global_keyprefix": "plumbline:"}
    return app


def send(producer: Celery, arguments: dict[str, Any], **options: Any) -> str:
    sent = producer.send_task(
        "plumbline.score", kwargs=arguments, queue="plumbline.score", ignore_result=True, **options
    )
    return str(sent.id)


@pytest.fixture(scope="module")
def running(
    postgres_server_url: str,
    template: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Running]:
    """One worker, with a database and a Redis of its own, for all tests that only hand it work."""
    with (
        database(postgres_server_url, template) as url,
        redis_server(tmp_path_factory.mktemp("redis")) as broker_url,
        redis.Redis.from_url(broker_url) as keys,
        worker(url, broker_url, tmp_path_factory.mktemp("worker")) as found,
        Client(url, broker_url) as client,
        bare_producer(broker_url) as producer,
    ):
        engine = connect(url)
        yield Running(found, client, engine, producer, keys)
        engine.dispose()


def rows(client: Client, source: str) -> list[Result]:
    return sorted(client.results(source=source, limit=None), key=lambda r: r.text or "")


def scored(client: Client, source: str, count: int, timeout_s: float = 60.0) -> list[Result]:
    """The source's rows once so many are scored."""
    return eventually(
        lambda: (
            found
            if len(found := [r for r in rows(client, source) if r.state == "scored"]) >= count
            else []
        ),
        timeout_s,
        f"not {count} texts of {source} are scored within {timeout_s:g} s",
    )


def predictions(engine: Engine) -> int:
    with engine.connect() as connection:
        found: int = connection.execute(
            text("SELECT count(*) FROM plumbline.predictions")
        ).scalar_one()
        return found


def test_a_text_goes_from_the_client_to_a_row(running: Running) -> None:
    receipts = list(
        running.client.submit_many(
            ["WINNER!! Claim your prize now, call 09061701461", "See you at six?", " ", LONG],
            source="client",
        )
    )
    spam, ham, empty, long = running.client.wait([receipt.job_id for receipt in receipts])
    assert (spam.label, spam.decision) == ("spam", "positive")
    assert (ham.label, ham.decision) == ("ham", "negative")
    assert (empty.state, empty.error) == ("rejected", "the text is empty")
    assert long.state == "scored" and long.windows is not None and long.windows > 5
    assert spam.model == "sms-spam/1.0.0" and spam.attempts == 1
    assert spam.queue_ms is not None and spam.queue_ms > 0.0


def test_a_bare_message_with_texts_becomes_rows(running: Running) -> None:
    jobs = [
        {"text": "one"},
        {"text": "two", "key": "k"},
        {"text": " "},
        {"text": "a\x00b\ud800"},
        {"text": "late", "deadline": "2020-01-01T00:00:00Z"},
        {"text": "bad key", "key": "a\x00"},
    ]
    sent = send(running.producer, {"version": 1, "source": "bare", "jobs": jobs})
    scored(running.client, "bare", 3)
    found = {row.text or row.error: row for row in rows(running.client, "bare")}
    assert {key: row.state for key, row in found.items()} == {
        "one": "scored",
        "two": "scored",
        "the text is empty": "rejected",
        "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}": "scored",
        "late": "expired",
        "the key has a NUL or a lone surrogate, which PostgreSQL cannot hold": "rejected",
    }
    assert found["two"].job_id == keyed_id("bare", "k")
    running.worker.until_logged(f"message {sent}: 3 scored, 2 rejected, 0 failed, 1 done elsewhere")


@pytest.mark.parametrize(
    ("arguments", "says"),
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
def test_a_wrong_message_is_logged_with_its_reason(
    running: Running, arguments: dict[str, Any], says: str
) -> None:
    sent = send(running.producer, arguments)
    running.worker.until_logged(f"message {sent} is rejected: {says}")


def test_other_wrong_messages_leave_the_worker_alive(running: Running) -> None:
    with_args = running.producer.send_task("plumbline.score", ["text"], queue="plumbline.score")
    running.producer.send_task("plumbline.unknown", queue="plumbline.score")
    running.producer.send_task("plumbline.score", queue="plumbline.score", serializer="pickle")
    running.worker.until_logged(f"message {with_args.id} is rejected: args: the task takes")
    running.worker.until_logged("is rejected: there is no task of that name")
    running.worker.until_logged("ContentDisallowed")
    running.client.submit("alive", source="alive")
    scored(running.client, "alive", 1)


def test_a_message_that_comes_again_and_again_scores_once(running: Running) -> None:
    receipt = running.client.submit("again", source="again")
    for _ in range(5):
        send(running.producer, wake_up([receipt.job_id]))
    bare = {"version": 1, "source": "again", "jobs": [{"text": "bare"}, {"text": "k", "key": "k"}]}
    name = str(uuid.uuid4())
    for _ in range(5):
        send(running.producer, bare, task_id=name)
    send(running.producer, {"version": 1, "source": "again", "jobs": [{"text": "k", "key": "k"}]})
    last = send(running.producer, {"version": 1, "source": "last", "jobs": [{"text": "last"}]})
    running.worker.until_logged(f"{last}: 1 scored")
    running.worker.until_logged(f"message {name}: ", times=5)
    found = scored(running.client, "again", 3)
    assert [(row.text, row.attempts) for row in found] == [("again", 1), ("bare", 1), ("k", 1)]


def test_a_message_may_have_any_name(running: Running) -> None:
    jobs = {"version": 1, "source": "named", "jobs": [{"text": "text"}]}
    send(running.producer, jobs, task_id="\ud800 %s \x00 " + "n" * 300)
    scored(running.client, "named", 1)


def test_each_queue_has_an_exchange_of_its_own(running: Running) -> None:
    """Else a message sent to the exchange, as some producers do, would be put in both queues."""
    bound = cast(set[bytes], running.redis.smembers(f"{KEY_PREFIX}_kombu.binding.{SCORE_QUEUE}"))
    assert {binding.decode().split("\x06\x16")[-1] for binding in bound} == {SCORE_QUEUE}


def copy_models(folder: Path) -> Path:
    models = folder / "models"
    shutil.copytree(SHIPPED, models / "sms-spam" / "1.0.0")
    return models


def add_version(models: Path, version: str) -> None:
    folder = models / "sms-spam" / version
    shutil.copytree(models / "sms-spam" / "1.0.0", folder)
    replace(Manifest.read(folder), version=version).write(folder)


def promote(engine: Engine, model: str) -> None:
    with engine.begin() as connection:
        deployments.promote(
            connection, model, manifest_sha256="", metrics={}, deployed_by="test", reason="test"
        )


def test_a_promoted_version_serves_from_the_next_message(
    database_url: str, broker_url: str, engine: Engine, tmp_path: Path
) -> None:
    models = copy_models(tmp_path)
    settings = {"models_dir": models}
    with (
        worker(database_url, broker_url, tmp_path, settings=settings, concurrency=1) as found,
        Client(database_url, broker_url) as client,
    ):

        def model_of_next() -> str | None:
            return client.wait([client.submit("Which one are you?").job_id])[0].model

        assert model_of_next() == "sms-spam/1.0.0"
        add_version(models, "1.1.0")
        assert model_of_next() == "sms-spam/1.0.0", "there is no promotion yet"
        promote(engine, "sms-spam/1.1.0")
        assert model_of_next() == "sms-spam/1.1.0"
        promote(engine, "sms-spam/2.0.0")
        assert model_of_next() == "sms-spam/1.1.0", "it goes on with what it has"
        found.until_logged("sms-spam/2.0.0 cannot serve, and sms-spam/1.1.0 goes on: There is no")
        promote(engine, "sms-spam/1.0.0")
        with engine.connect() as connection:
            history = [d.model.partition("/")[2] for d in deployments.history(connection)]
        assert history == ["1.0.0", "2.0.0", "1.1.0", "1.0.0"]


def leased(engine: Engine) -> int:
    with engine.connect() as connection:
        found: int = connection.execute(
            text("SELECT count(*) FROM plumbline.jobs WHERE state = 'leased'")
        ).scalar_one()
        return found


def test_a_child_killed_in_the_middle_of_a_message_loses_nothing(
    database_url: str, broker_url: str, engine: Engine, tmp_path: Path
) -> None:
    with (
        worker(database_url, broker_url, tmp_path, concurrency=1) as found,
        beat(database_url, broker_url, tmp_path, settings={"sweep_every_s": 0.5}),
        Client(database_url, broker_url, source="killed") as client,
    ):
        ids = [r.job_id for r in client.submit_many(f"{n} {LONG[:20_000]}" for n in range(4))]
        eventually(lambda: leased(engine) == 4)
        os.kill(found.children()[0], signal.SIGKILL)
        assert predictions(engine) == 0, "it was killed before it had finished"
        results = client.wait(ids)
        assert {(row.state, row.error) for row in results} == {("scored", None)}
        # Its parent blames the text in hand, and frees the others before the message returns.
        assert sorted(row.attempts for row in results) == [1, 1, 1, 2]
        assert predictions(engine) == 4


def test_children_killed_all_the_time_lose_nothing(
    database_url: str, broker_url: str, engine: Engine, tmp_path: Path
) -> None:
    settings = {
        "lease_s": 0.2,
        "sweep_every_s": 0.5,
        "republish_after_s": 3,
        "max_attempts": 20,
    }
    with (
        worker(database_url, broker_url, tmp_path, settings=settings) as found,
        beat(database_url, broker_url, tmp_path, settings=settings),
        Client(database_url, broker_url, settings=Settings(message_size=2)) as client,
    ):
        ids = [r.job_id for r in client.submit_many(f"{n} {LONG[:2_000]}" for n in range(80))]
        for killed in range(4):
            eventually(lambda k=killed: predictions(engine) >= 15 * k)  # type: ignore[misc]
            os.kill(eventually(found.children)[0], signal.SIGKILL)
        results = client.wait(ids, timeout_s=120)
        assert {row.state for row in results} == {"scored"}
        assert predictions(engine) == 80


def test_with_postgres_away_a_bare_message_waits(broker_url: str, tmp_path: Path) -> None:
    with postgres_server(tmp_path / "postgres") as url:
        engine = connect(url)
        migrate.upgrade(engine)
        engine.dispose()
        context = worker(url, broker_url, tmp_path, concurrency=1)
        found = context.__enter__()
    with bare_producer(broker_url) as producer:
        sent = send(producer, {"version": 1, "source": "bare", "jobs": [{"text": "waits"}]})
        found.until_logged(f"message {sent} waits: PostgreSQL at", times=2)
        with postgres_server(tmp_path / "postgres"), Client(url, broker_url) as client:
            assert len(scored(client, "bare", 1)) == 1
            context.__exit__(None, None, None)
    assert "Traceback" not in found.log()


def test_with_postgres_away_and_redis_full_a_bare_message_waits(tmp_path: Path) -> None:
    """Celery itself would drop the message here: it cannot send the one to retry it with."""
    with redis_server(tmp_path / "redis") as broker_url, redis.Redis.from_url(broker_url) as keys:
        with postgres_server(tmp_path / "postgres") as url:
            engine = connect(url)
            migrate.upgrade(engine)
            engine.dispose()
            context = worker(url, broker_url, tmp_path, concurrency=1)
            found = context.__enter__()
        with bare_producer(broker_url) as producer:
            send(producer, {"version": 1, "source": "bare", "jobs": [{"text": "waits"}]})
        found.until_logged("waits: PostgreSQL at")
        keys.config_set("maxmemory", "1")
        tried = found.log().count("waits: PostgreSQL at")
        found.until_logged("waits: PostgreSQL at", times=tried + 3)
        with postgres_server(tmp_path / "postgres"), Client(url, broker_url) as client:
            assert len(scored(client, "bare", 1)) == 1
            keys.config_set("maxmemory", "0")
            context.__exit__(None, None, None)


def test_after_a_restart_of_redis_the_worker_goes_on(database_url: str, tmp_path: Path) -> None:
    with redis_server(tmp_path / "redis") as url:
        context = worker(database_url, url, tmp_path, concurrency=1)
        found = context.__enter__()
        with Client(database_url, url) as client:
            client.wait([client.submit("before").job_id])
    found.until_logged("consumer: Cannot connect to redis://")
    with redis_server(tmp_path / "redis"), Client(database_url, url) as client:
        client.wait([client.submit("after").job_id])
        context.__exit__(None, None, None)


def test_a_sweep_does_not_wait_behind_texts(
    database_url: str, broker_url: str, tmp_path: Path
) -> None:
    with bare_producer(broker_url) as producer:
        for n in range(5):
            send(producer, {"version": 1, "jobs": [{"text": f"text {n}"}]})
        for _ in range(2):
            producer.send_task("plumbline.sweep", queue="plumbline.upkeep")
    with worker(
        database_url, broker_url, tmp_path, concurrency=1, settings={"log_level": "DEBUG"}
    ) as found:
        found.until_logged(" received", times=7)
        received = [
            line.partition("Task ")[2].partition("[")[0]
            for line in found.log().splitlines()
            if line.endswith(" received")
        ]
    assert received == ["plumbline.sweep"] * 2 + ["plumbline.score"] * 5


def test_a_worker_of_reports_takes_no_texts(
    database_url: str, broker_url: str, tmp_path: Path
) -> None:
    with (
        worker(
            database_url,
            broker_url,
            tmp_path,
            queues="plumbline.upkeep,plumbline.reports",
            settings={"log_level": "DEBUG"},
        ) as found,
        Client(database_url, broker_url) as client,
        bare_producer(broker_url) as producer,
    ):
        receipt = client.submit("nobody scores me")
        producer.send_task("plumbline.sweep", queue="plumbline.upkeep")
        found.until_logged("Task plumbline.sweep")
        assert client.result(receipt.job_id).state == "queued"  # type: ignore[union-attr]
        assert "plumbline.score[" not in found.log()


def test_a_worker_told_to_stop_finishes_the_text_in_hand(
    database_url: str, broker_url: str, engine: Engine, tmp_path: Path
) -> None:
    with (
        Client(database_url, broker_url) as client,
        worker(database_url, broker_url, tmp_path, concurrency=1) as found,
    ):
        ids = [r.job_id for r in client.submit_many(f"{n} {LONG}" for n in range(4))]
        eventually(lambda: leased(engine) == 4)
        found.drain()
        assert found.process.returncode == 0
        ended = {(row.state, row.attempts) for row in client.results(ids=ids)}
        assert ended == {("scored", 1), ("queued", 0)}


def one_sentence(printed: str, sentence: str) -> bool:
    return sentence in printed and "Traceback" not in printed


def test_without_its_database_a_worker_does_not_start(broker_url: str, tmp_path: Path) -> None:
    printed = refusal("postgresql://me:secret@127.0.0.1:1/none", broker_url, tmp_path)
    assert one_sentence(
        printed,
        "The worker does not start: PostgreSQL at postgresql://me:***@127.0.0.1:1/none "
        "cannot be reached: ",
    )
    assert "secret" not in printed


def test_with_a_wrong_database_url_a_worker_does_not_start(broker_url: str, tmp_path: Path) -> None:
    printed = refusal("mysql://me:secret@127.0.0.1/none", broker_url, tmp_path)
    assert one_sentence(printed, "The worker does not start: The database URL starts with mysql")
    assert "secret" not in printed


def test_without_redis_a_worker_does_not_start(database_url: str, tmp_path: Path) -> None:
    printed = refusal(database_url, "redis://:secret@127.0.0.1:1/0", tmp_path)
    assert one_sentence(
        printed,
        "The worker does not start: Redis at redis://:***@127.0.0.1:1/0 cannot be reached: ",
    )
    assert "secret" not in printed


def test_without_tables_a_worker_does_not_start(
    postgres_server_url: str, broker_url: str, tmp_path: Path
) -> None:
    assert one_sentence(
        refusal(postgres_server_url, broker_url, tmp_path),
        "The worker does not start: The database's tables are at version nothing and this release "
        f"needs {migrate.newest()}; run `plumbline db upgrade`.",
    )


def test_with_one_byte_changed_in_its_model_a_worker_does_not_start(
    database_url: str, broker_url: str, tmp_path: Path
) -> None:
    models = copy_models(tmp_path)
    file = models / "sms-spam" / "1.0.0" / "model.int8.tflite"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    assert one_sentence(
        refusal(database_url, broker_url, tmp_path, settings={"models_dir": models}),
        f"The worker does not start: {file} is not what its manifest says (sha256 ",
    )


def test_without_a_model_a_worker_does_not_start(
    database_url: str, broker_url: str, tmp_path: Path
) -> None:
    assert one_sentence(
        refusal(database_url, broker_url, tmp_path, settings={"models_dir": tmp_path}),
        f"The worker does not start: There is no model sms-spam in {tmp_path}; there is: none.",
    )


def test_with_a_wrong_setting_a_worker_does_not_start(
    database_url: str, broker_url: str, tmp_path: Path
) -> None:
    assert one_sentence(
        refusal(database_url, broker_url, tmp_path, settings={"lease_s": "soon"}),
        "PLUMBLINE_LEASE_S is not usable: ",
    )
