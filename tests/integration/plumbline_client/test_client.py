"""The client on real servers: an accepted text stays accepted, whatever else is unavailable."""

from __future__ import annotations

import os
import signal
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
import time_machine
from sqlalchemy import Engine, text

from plumbline.broker import queue_depth
from plumbline.settings import Settings
from plumbline_client import Client, Submission, statements
from plumbline_client.broker import Publisher
from plumbline_client.database import MAX_CONNECTIONS
from plumbline_client.errors import (
    BrokerUnavailable,
    DatabaseUnavailable,
    ServicesMissing,
    SourceInvalid,
)
from plumbline_client.identity import keyed_id
from plumbline_client.services import Services
from plumbline_client.states import JobState
from storage import migrate
from storage.database import connect
from tests.servers import postgres_server, redis_server
from tests.waiting import eventually
from worker.sweeper import run_sweep

NO_REDIS = "redis://127.0.0.1:1/0"


@pytest.fixture
def client(database_url: str, broker_url: str) -> Iterator[Client]:
    with Client(database_url, broker_url, source="test", message_size=3) as client:
        yield client


def published_at(engine: Engine, job_id: uuid.UUID) -> Any:
    with engine.connect() as connection:
        return connection.execute(
            text("SELECT published_at FROM plumbline.jobs WHERE id = :id"), {"id": job_id}
        ).scalar_one()


def count(engine: Engine) -> int:
    with engine.connect() as connection:
        jobs: int = connection.execute(text("SELECT count(*) FROM plumbline.jobs")).scalar_one()
        return jobs


def test_submitting_writes_the_ledger_and_publishes_a_wake_up(
    client: Client, broker_url: str
) -> None:
    receipt = client.submit("See you at six", key="k")
    assert receipt.job_id == keyed_id("test", "k")
    assert (receipt.state, receipt.error) == (JobState.QUEUED, None)
    assert receipt.new and receipt.published
    assert queue_depth(broker_url) == 1
    result = client.result(receipt.job_id)
    assert result is not None and (result.text, result.source) == ("See you at six", "test")


def test_a_known_key_returns_the_same_job_and_publishes_nothing(
    client: Client, broker_url: str
) -> None:
    first, again = client.submit("one", key="k"), client.submit("two", key="k")
    assert again.job_id == first.job_id and not again.new
    assert queue_depth(broker_url) == 1
    elsewhere = client.submit("one", key="k", source="other")
    assert elsewhere.job_id != first.job_id and elsewhere.new


def test_threads_reuse_the_connections_of_a_shared_client(
    client: Client, engine: Engine, database_url: str
) -> None:
    """A pool that keeps too few connections opens a new one for nearly every text."""

    def sessions() -> int:
        with engine.connect() as connection:
            connection.execute(text("SELECT pg_stat_clear_snapshot()"))
            return int(
                connection.execute(
                    text("SELECT sessions FROM pg_stat_database WHERE datname = current_database()")
                ).scalar_one()
            )

    before = sessions()
    with ThreadPoolExecutor(8) as pool:
        receipts = list(pool.map(lambda n: client.submit(f"text {n}"), range(400)))
    assert all(receipt.new and receipt.published for receipt in receipts)
    assert sessions() - before <= MAX_CONNECTIONS


def test_one_key_from_many_threads_is_new_once(client: Client, broker_url: str) -> None:
    at_once = threading.Barrier(4)

    def submit(_: int) -> bool:
        at_once.wait()
        return client.submit("text", key="k").new

    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(submit, range(4))) == 1
    assert queue_depth(broker_url) == 1


def test_texts_are_grouped_into_messages_of_the_configured_size(
    client: Client, broker_url: str
) -> None:
    receipts = list(client.submit_many(f"text {n}" for n in range(7)))
    assert len({receipt.job_id for receipt in receipts}) == 7
    assert queue_depth(broker_url) == 3


def test_receipts_are_returned_while_texts_are_still_read(client: Client, engine: Engine) -> None:
    read = 0

    def endless() -> Iterator[str]:
        nonlocal read
        while True:
            read += 1
            yield f"text {read}"

    stream = client.submit_many(endless())
    assert read == 0, "nothing is submitted before the iterator is consumed"
    for _ in range(4):
        next(stream)
    assert read == 6 and count(engine) == 6


def test_a_key_repeated_within_one_call_is_new_once(client: Client) -> None:
    receipts = list(client.submit_many([Submission("one", "k"), Submission("two", "k")]))
    assert [receipt.new for receipt in receipts] == [True, False]
    assert len({receipt.job_id for receipt in receipts}) == 1


@pytest.mark.parametrize(
    ("submission", "reason"),
    [
        (Submission(""), "the text is empty"),
        (Submission("x" * 200_001), "the text has 200,001 characters, and at most 200,000"),
        (Submission(None), "the text is a NoneType, not a string"),  # type: ignore[arg-type]
        (Submission("x", key=""), "the key is empty"),
        (Submission("x", key="k" * 501), "the key has 501 characters, and at most 500"),
        (Submission("x", key="a\x00b"), "the key has a NUL or a lone surrogate"),
        (Submission("x", key="\ud800"), "the key has a NUL or a lone surrogate"),
        (Submission("x", key=7), "the key is a int, not a string"),  # type: ignore[arg-type]
        (Submission("x", deadline=datetime(2030, 1, 1)), "the deadline has no time zone"),
    ],
)
def test_unusable_submission_is_rejected_without_affecting_its_neighbours(
    client: Client, broker_url: str, submission: Submission, reason: str
) -> None:
    before, refused, after = client.submit_many(["one", submission, "two"])
    assert refused.state is JobState.REJECTED
    assert refused.error is not None and refused.error.startswith(reason)
    row = client.result(refused.job_id)
    assert row is not None and (row.state, row.error, row.text) == ("rejected", refused.error, None)
    assert before.state is after.state is JobState.QUEUED
    assert queue_depth(broker_url) == 1


def test_a_refused_text_publishes_nothing(client: Client, broker_url: str) -> None:
    client.submit(" ")
    assert queue_depth(broker_url) == 0


def test_replaced_characters_are_noted_in_the_row(client: Client) -> None:
    row = client.result(client.submit("a\x00b\ud800").job_id)
    assert row is not None
    assert row.text == "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}"
    assert row.notes == ["nul_replaced", "surrogate_replaced"]


@pytest.mark.parametrize("source", ["", "a\x00", "s" * 201])
def test_invalid_source_is_reported_in_one_sentence(client: Client, source: str) -> None:
    with pytest.raises(SourceInvalid, match=r"^The source .*\.$"):
        client.submit("text", source=source)


@pytest.mark.parametrize("clock_s", [0, -3_600, 40 * 86_400])
def test_durations_are_measured_by_the_clock_of_postgresql(
    client: Client, engine: Engine, clock_s: float
) -> None:
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=clock_s)):
        receipt = client.submit("text", deadline=timedelta(minutes=10))
        client.submit("text", deadline=timedelta.max)
        assert len(client.results(since=timedelta(minutes=1))) == 2
        assert client.results(until=timedelta(minutes=1)) == []
        assert len(client.results(since=timedelta.max, until=timedelta(0))) == 2
    with engine.connect() as connection:
        time_left = text("SELECT deadline - created_at FROM plumbline.jobs WHERE id = :id")
        stored = connection.execute(time_left, {"id": receipt.job_id}).scalar_one()
    assert stored == timedelta(minutes=10)


def test_a_deadline_is_stored(client: Client, engine: Engine) -> None:
    deadline = datetime(2030, 1, 1, tzinfo=UTC)
    receipt = client.submit("text", deadline=deadline)
    with engine.connect() as connection:
        stored = connection.execute(
            text("SELECT deadline FROM plumbline.jobs WHERE id = :id"), {"id": receipt.job_id}
        ).scalar_one()
    assert stored == deadline


def test_wait_returns_results_in_the_order_of_the_ids(client: Client, engine: Engine) -> None:
    receipts = list(client.submit_many(["one", " ", "two"]))
    ids = [receipt.job_id for receipt in reversed(receipts)]

    def expire_later() -> None:
        with engine.begin() as connection:
            connection.execute(
                text("UPDATE plumbline.jobs SET state = 'expired' WHERE state = 'queued'")
            )

    with ThreadPoolExecutor(1) as threads:
        threads.submit(expire_later)
        results = client.wait(ids, timeout_s=30.0)
    assert [result.job_id for result in results] == ids
    assert [result.state for result in results] == ["expired", "rejected", "expired"]


def test_wait_reports_how_many_jobs_have_not_ended(client: Client) -> None:
    ids = [client.submit("one").job_id, client.submit(" ").job_id, uuid.uuid4()]
    with pytest.raises(TimeoutError, match=r"^2 of 3 jobs are not done yet\.$"):
        client.wait(ids, timeout_s=0.0)


def test_unknown_job_has_no_result(client: Client) -> None:
    assert client.result(uuid.uuid4()) is None


def test_texts_accepted_without_redis_are_published_once_it_is_back(
    database_url: str, engine: Engine, tmp_path: Path
) -> None:
    with redis_server(tmp_path) as url:
        pass
    settings, services = Settings(), Services(database_url, url)
    publisher = Publisher(url)
    with Client(database_url, url) as client:
        receipts = [client.submit("one"), *client.submit_many(["two", " "])]
        assert [receipt.published for receipt in receipts] == [False, False, False]
        assert [r.state for r in receipts] == [JobState.QUEUED, JobState.QUEUED, JobState.REJECTED]
        assert published_at(engine, receipts[0].job_id) is None
        assert run_sweep(engine, publisher, settings, services) is not None
        assert published_at(engine, receipts[0].job_id) is None
        with redis_server(tmp_path) as back:
            assert back == url
            run_sweep(engine, publisher, settings, services)
            # Both jobs were due and share one message.
            assert queue_depth(url) == 1
            assert published_at(engine, receipts[1].job_id) is not None
            assert client.submit("three").published
    publisher.close()


def test_submission_without_redis_does_not_wait(database_url: str) -> None:
    with Client(database_url, NO_REDIS) as client:
        started = time.monotonic()
        for n in range(5):
            assert not client.submit(f"text {n}").published
    # redis-py would retry each publish for seconds.
    assert time.monotonic() - started < 5.0


def test_publishing_to_a_hanging_redis_times_out(
    database_url: str, broker_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plumbline_client.broker.RESPONSE_TIMEOUT_S", 0.5)
    with redis.Redis.from_url(broker_url) as connection:
        process = int(connection.info()["process_id"])
    with Client(database_url, broker_url) as client:
        assert client.submit("one").published
        os.kill(process, signal.SIGSTOP)
        try:
            assert not client.submit("two").published
        finally:
            os.kill(process, signal.SIGCONT)
        assert client.submit("three").published


def test_without_postgresql_nothing_is_accepted(tmp_path: Path, broker_url: str) -> None:
    with postgres_server(tmp_path) as url:
        engine = connect(url)
        migrate.upgrade(engine)
        client = Client(url, broker_url)
        client.submit("before")
    with pytest.raises(DatabaseUnavailable, match=r"^PostgreSQL at .* cannot be reached: .*\.$"):
        client.submit("meanwhile")
    with pytest.raises(DatabaseUnavailable):
        client.results()
    assert queue_depth(broker_url) == 1
    with postgres_server(tmp_path):
        # The same client reconnects.
        assert eventually(lambda: client.submit("after", key="k")).new
        assert count(engine) == 2
    client.close()
    engine.dispose()


def test_accepted_text_survives_the_loss_of_both_servers(
    database_url: str, engine: Engine, broker_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL fails just before the client marks the wake-up as unpublished."""
    client = Client(database_url, broker_url)

    def fail_both(_: object, messages: object) -> None:
        monkeypatch.setattr(statements, "UNPUBLISH", TERMINATE)
        raise BrokerUnavailable("Redis cannot be reached.")

    monkeypatch.setattr(Publisher, "_push", fail_both)
    receipt = client.submit("text")
    assert (receipt.state, receipt.new, receipt.published) == (JobState.QUEUED, True, False)
    assert count(engine) == 1
    client.close()


TERMINATE = "SELECT pg_terminate_backend(pg_backend_pid())"


def test_client_from_environment(
    database_url: str, broker_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLUMBLINE_DATABASE_URL", database_url)
    monkeypatch.setenv("PLUMBLINE_BROKER_URL", broker_url)
    monkeypatch.setenv("PLUMBLINE_SOURCE", "from-environment")
    with Client.from_environment() as client:
        result = client.result(client.submit("text").job_id)
    assert result is not None and result.source == "from-environment"


def test_client_without_servers_names_the_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PLUMBLINE_DATABASE_URL", raising=False)
    monkeypatch.delenv("PLUMBLINE_BROKER_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ServicesMissing, match="PLUMBLINE_DATABASE_URL"):
        Client.from_environment()
