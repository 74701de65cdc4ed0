"""The Python door on real servers: accepted is accepted, whatever else is away."""

from __future__ import annotations

import os
import signal
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import redis
from pydantic import SecretStr
from sqlalchemy import Engine, text

from plumbline.broker import queue_depth
from plumbline.settings import Settings
from plumbline_client import Client, Submission
from plumbline_client.broker import Publisher
from plumbline_client.database import MAX_CONNECTIONS
from plumbline_client.errors import (
    BrokerUnavailable,
    DatabaseUnavailable,
    ServicesMissing,
    SourceInvalid,
)
from plumbline_client.identity import keyed_id
from plumbline_client.states import JobState
from storage import migrate
from storage.database import connect
from storage.jobs import ledger
from tests.servers import postgres_server, redis_server
from tests.waiting import eventually
from worker.sweeper import run_sweep

NO_REDIS = "redis://127.0.0.1:1/0"


@pytest.fixture
def client(database_url: str, broker_url: str) -> Iterator[Client]:
    with Client(database_url, broker_url, source="test", settings=Settings(message_size=3)) as it:
        yield it


def published_at(engine: Engine, job_id: uuid.UUID) -> Any:
    with engine.connect() as connection:
        return connection.execute(
            text("SELECT published_at FROM plumbline.jobs WHERE id = :id"), {"id": job_id}
        ).scalar_one()


def count(engine: Engine) -> int:
    with engine.connect() as connection:
        found: int = connection.execute(text("SELECT count(*) FROM plumbline.jobs")).scalar_one()
        return found


def test_a_submitted_text_is_in_the_ledger_and_its_wake_up_in_redis(
    client: Client, broker_url: str
) -> None:
    receipt = client.submit("See you at six", key="k")
    assert receipt.job_id == keyed_id("test", "k")
    assert (receipt.state, receipt.error) == (JobState.QUEUED, None)
    assert receipt.new and receipt.published
    assert queue_depth(broker_url) == 1
    found = client.result(receipt.job_id)
    assert found is not None and (found.text, found.source) == ("See you at six", "test")


def test_the_same_key_again_is_the_same_job_and_wakes_nobody(
    client: Client, broker_url: str
) -> None:
    first, again = client.submit("one", key="k"), client.submit("two", key="k")
    assert again.job_id == first.job_id and not again.new
    assert queue_depth(broker_url) == 1
    elsewhere = client.submit("one", key="k", source="other")
    assert elsewhere.job_id != first.job_id and elsewhere.new


def test_threads_that_share_a_client_share_its_connections(
    client: Client, engine: Engine, database_url: str
) -> None:
    """A pool that is too small closes a connection and makes the next with nearly every text."""

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


def test_many_texts_go_in_messages_of_the_size_set(client: Client, broker_url: str) -> None:
    receipts = list(client.submit_many(f"text {n}" for n in range(7)))
    assert len({receipt.job_id for receipt in receipts}) == 7
    assert queue_depth(broker_url) == 3


def test_receipts_come_while_the_texts_still_stream(client: Client, engine: Engine) -> None:
    given = 0

    def endless() -> Iterator[str]:
        nonlocal given
        while True:
            given += 1
            yield f"text {given}"

    stream = client.submit_many(endless())
    assert given == 0, "nothing is submitted before it is read"
    for _ in range(4):
        next(stream)
    assert given == 6 and count(engine) == 6


def test_a_key_twice_in_one_call_is_new_once(client: Client) -> None:
    receipts = list(client.submit_many([Submission("one", "k"), Submission("two", "k")]))
    assert [receipt.new for receipt in receipts] == [True, False]
    assert len({receipt.job_id for receipt in receipts}) == 1


@pytest.mark.parametrize(
    ("submission", "says"),
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
def test_what_cannot_be_scored_is_refused_in_a_row_beside_its_neighbours(
    client: Client, broker_url: str, submission: Submission, says: str
) -> None:
    before, refused, after = client.submit_many(["one", submission, "two"])
    assert refused.state is JobState.REJECTED
    assert refused.error is not None and refused.error.startswith(says)
    row = client.result(refused.job_id)
    assert row is not None and (row.state, row.error, row.text) == ("rejected", refused.error, None)
    assert before.state is after.state is JobState.QUEUED
    assert queue_depth(broker_url) == 1


def test_a_refused_text_wakes_nobody(client: Client, broker_url: str) -> None:
    client.submit(" ")
    assert queue_depth(broker_url) == 0


def test_nul_and_surrogates_are_replaced_and_the_row_says_so(client: Client) -> None:
    row = client.result(client.submit("a\x00b\ud800").job_id)
    assert row is not None
    assert row.text == "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}"
    assert row.notes == ["nul_replaced", "surrogate_replaced"]


@pytest.mark.parametrize("source", ["", "a\x00", "s" * 201])
def test_a_source_that_cannot_be_stored_is_one_sentence(client: Client, source: str) -> None:
    with pytest.raises(SourceInvalid, match=r"^The source .*\.$"):
        client.submit("text", source=source)


def test_a_deadline_is_kept(client: Client, engine: Engine) -> None:
    deadline = datetime(2030, 1, 1, tzinfo=UTC)
    receipt = client.submit("text", deadline=deadline)
    with engine.connect() as connection:
        kept = connection.execute(
            text("SELECT deadline FROM plumbline.jobs WHERE id = :id"), {"id": receipt.job_id}
        ).scalar_one()
    assert kept == deadline


def test_waiting_gives_the_results_in_the_order_asked(client: Client, engine: Engine) -> None:
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


def test_waiting_ends_with_how_many_are_still_open(client: Client) -> None:
    ids = [client.submit("one").job_id, client.submit(" ").job_id, uuid.uuid4()]
    with pytest.raises(TimeoutError, match=r"^2 of 3 jobs are not done yet\.$"):
        client.wait(ids, timeout_s=0.0)


def test_an_unknown_job_has_no_result(client: Client) -> None:
    assert client.result(uuid.uuid4()) is None


def test_with_redis_away_texts_are_accepted_and_published_when_it_is_back(
    database_url: str, engine: Engine, tmp_path: Path
) -> None:
    with redis_server(tmp_path) as url:
        pass
    settings = Settings(broker_url=SecretStr(url))
    publisher = Publisher(url)
    with Client(database_url, url, settings=settings) as client:
        receipts = [client.submit("one"), *client.submit_many(["two", " "])]
        assert [receipt.published for receipt in receipts] == [False, False, False]
        assert [r.state for r in receipts] == [JobState.QUEUED, JobState.QUEUED, JobState.REJECTED]
        assert published_at(engine, receipts[0].job_id) is None
        assert run_sweep(engine, publisher, settings) is not None
        assert published_at(engine, receipts[0].job_id) is None
        with redis_server(tmp_path) as back:
            assert back == url
            run_sweep(engine, publisher, settings)
            # Both were due, and travel together.
            assert queue_depth(url) == 1
            assert published_at(engine, receipts[1].job_id) is not None
            assert client.submit("three").published
    publisher.close()


def test_with_redis_away_a_submission_does_not_wait(database_url: str) -> None:
    with Client(database_url, NO_REDIS) as client:
        started = time.monotonic()
        for n in range(5):
            assert not client.submit(f"text {n}").published
    # Redis-py and Kombu would each try again for seconds, five times over.
    assert time.monotonic() - started < 5.0


def test_a_redis_that_hangs_is_given_up_on(
    database_url: str, broker_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plumbline.publisher.ANSWER_TIMEOUT_S", 0.5)
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


def test_with_postgres_away_nothing_is_accepted(tmp_path: Path, broker_url: str) -> None:
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
        # The same client goes on by itself.
        assert eventually(lambda: client.submit("after", key="k")).new
        assert count(engine) == 2
    client.close()
    engine.dispose()


def test_what_was_accepted_stays_so_when_both_servers_go(
    database_url: str, engine: Engine, broker_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL goes too, just before it could be told that Redis is away."""
    client = Client(database_url, broker_url)

    def both_go(_: object, ids: object) -> None:
        monkeypatch.setattr(
            ledger, "unpublish", lambda *_: client._engine.connect().exec_driver_sql(LAST_WORD)
        )
        raise BrokerUnavailable("Redis is away.")

    monkeypatch.setattr(Publisher, "wake", both_go)
    receipt = client.submit("text")
    assert (receipt.state, receipt.new, receipt.published) == (JobState.QUEUED, True, False)
    assert count(engine) == 1
    client.close()


LAST_WORD = "SELECT pg_terminate_backend(pg_backend_pid())"


def test_a_client_reads_its_addresses_from_the_settings(
    database_url: str, broker_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLUMBLINE_DATABASE_URL", database_url)
    monkeypatch.setenv("PLUMBLINE_BROKER_URL", broker_url)
    monkeypatch.setenv("PLUMBLINE_SOURCE", "from-settings")
    with Client.from_settings() as client:
        found = client.result(client.submit("text").job_id)
    assert found is not None and found.source == "from-settings"


def test_a_client_without_addresses_is_told_which(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PLUMBLINE_DATABASE_URL", raising=False)
    monkeypatch.delenv("PLUMBLINE_BROKER_URL", raising=False)
    with pytest.raises(ServicesMissing, match="PLUMBLINE_DATABASE_URL"):
        Client.from_settings(Settings(database_url=None, broker_url=None))
