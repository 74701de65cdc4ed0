"""Admission control on real servers: `submit` waits or refuses while the backlog is full."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import pytest
from sqlalchemy import Engine, text

from plumbline_client import Client
from plumbline_client.backlog import OnFull
from plumbline_client.errors import BacklogFull
from storage.jobs.queue import queue_length

MAX_BACKLOG = 6


@pytest.fixture
def client(database_url: str, broker_url: str) -> Iterator[Client]:
    with Client(database_url, broker_url, message_size=3, max_backlog=MAX_BACKLOG) as client:
        yield client


def count_queued(engine: Engine) -> int:
    with engine.connect() as connection:
        return queue_length(connection).queued


def end_all_jobs(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE plumbline.jobs SET state = 'expired'"))


def test_submission_that_does_not_wait_is_refused(client: Client, engine: Engine) -> None:
    receipts = client.submit_many((f"text {n}" for n in range(100)), on_full=OnFull.REFUSE)
    assert len(list(islice(receipts, MAX_BACKLOG))) == MAX_BACKLOG
    with pytest.raises(BacklogFull, match=r"^6 or more texts are queued, and the limit is 6 "):
        next(receipts)
    with pytest.raises(BacklogFull):
        client.submit("one more", on_full="refuse")
    with pytest.raises(BacklogFull):
        client.submit("one more", timeout_s=0.0)
    assert count_queued(engine) == MAX_BACKLOG, "no refused text is in the ledger"


def test_waiting_submission_continues_when_there_is_capacity(
    client: Client, engine: Engine
) -> None:
    full = threading.Event()
    texts = [f"text {n}" for n in range(2 * MAX_BACKLOG)]
    with ThreadPoolExecutor(1) as threads:
        receipts = threads.submit(
            lambda: list(client.submit_many(texts, on_wait=lambda _: full.set()))
        )
        assert full.wait(30.0)
        assert count_queued(engine) == MAX_BACKLOG
        end_all_jobs(engine)
        assert len(receipts.result(timeout=30.0)) == 2 * MAX_BACKLOG
    assert count_queued(engine) == MAX_BACKLOG


def test_texts_of_other_clients_count_too(
    client: Client, database_url: str, broker_url: str
) -> None:
    with Client(database_url, broker_url) as other:
        list(other.submit_many(f"text {n}" for n in range(2 * MAX_BACKLOG)))
    with pytest.raises(BacklogFull):
        client.submit("text", on_full="refuse")
