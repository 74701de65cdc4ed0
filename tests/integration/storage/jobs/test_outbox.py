"""Above a backlog `submit` waits or refuses, and what was accepted is accepted."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import pytest
from sqlalchemy import Engine, text

from plumbline.settings import Settings
from plumbline_client import Client
from plumbline_client.backlog import OnFull
from plumbline_client.errors import BacklogFull
from storage.jobs import outbox

MOST = 6


@pytest.fixture
def client(database_url: str, broker_url: str) -> Iterator[Client]:
    settings = Settings(message_size=3, max_backlog=MOST)
    with Client(database_url, broker_url, settings=settings) as it:
        yield it


def queued(engine: Engine) -> int:
    with engine.connect() as connection:
        return outbox.waiting(connection, 1_000)


def end_all(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE plumbline.jobs SET state = 'expired'"))


def test_whoever_does_not_want_to_wait_is_refused(client: Client, engine: Engine) -> None:
    sent = client.submit_many((f"text {n}" for n in range(100)), on_full=OnFull.REFUSE)
    assert len(list(islice(sent, MOST))) == MOST
    with pytest.raises(BacklogFull, match=r"^6 texts or more wait .*, and at most 6 may"):
        next(sent)
    with pytest.raises(BacklogFull):
        client.submit("one more", on_full="refuse")
    with pytest.raises(BacklogFull):
        client.submit("one more", timeout_s=0.0)
    assert queued(engine) == MOST, "nothing of what was refused is in the ledger"


def test_whoever_waits_goes_on_when_there_is_room(client: Client, engine: Engine) -> None:
    full = threading.Event()
    texts = [f"text {n}" for n in range(2 * MOST)]
    with ThreadPoolExecutor(1) as threads:
        sent = threads.submit(lambda: list(client.submit_many(texts, on_wait=lambda _: full.set())))
        assert full.wait(30.0)
        assert queued(engine) == MOST
        end_all(engine)
        assert len(sent.result(timeout=30.0)) == 2 * MOST
    assert queued(engine) == MOST


def test_what_others_submit_counts_too(
    client: Client, database_url: str, broker_url: str, engine: Engine
) -> None:
    with Client(database_url, broker_url) as other:
        list(other.submit_many(f"text {n}" for n in range(2 * MOST)))
    with pytest.raises(BacklogFull):
        client.submit("text", on_full="refuse")


def test_the_count_reads_an_index_alone_and_no_further_than_asked(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(
            text("INSERT INTO plumbline.jobs (id, source, text, text_sha256, state, published_at) "
                 "SELECT gen_random_uuid(), 'test', repeat('x', 100), '', 'queued', now() "
                 "FROM generate_series(1, 20000)")
        )  # fmt: skip
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE plumbline.jobs"))
        assert outbox.waiting(connection, 50) == 50
        plan = "\n".join(
            connection.execute(text(f"EXPLAIN ANALYZE {outbox.WAITING}"), {"most": 50}).scalars()
        )
    assert "Index Only Scan using jobs_queued_idx" in plan, plan
    assert "rows=50" in plan, plan
