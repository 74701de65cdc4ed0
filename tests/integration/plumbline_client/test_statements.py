"""The client's statements on a real PostgreSQL."""

from __future__ import annotations

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import chain

import pytest
from sqlalchemy import Engine, text

from plumbline_client import statements
from plumbline_client.new_job import text_hash
from plumbline_client.states import JobState
from tests.ledger import Ledger, accept, job, keyed, states

PAST = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
def ledger(engine: Engine) -> Ledger:
    return Ledger(engine)


def test_accepted_text_is_queued_and_marked_as_published(ledger: Ledger) -> None:
    new = job("a\x00b\ud800c", key="k", deadline=PAST)
    assert ledger.accept(new) == {new.id}
    row = ledger.row(new.id)
    assert (row.state, row.attempts, row.fence) == ("queued", 0, 0)
    assert row.text == "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}c"
    assert row.notes == ["nul_replaced", "surrogate_replaced"]
    assert (row.source, row.key, row.deadline) == ("test", "k", PAST)
    assert row.text_sha256 is None, "the trigger keys what earlier releases insert"
    assert bytes(row.text_hash) == keyed(ledger.engine, text_hash("a\x00b\ud800c"))
    assert row.published_at is not None and row.finished_at is None


def test_accepting_the_same_key_again_changes_nothing(ledger: Ledger) -> None:
    first = job("first", key="k")
    assert ledger.accept(first) == {first.id}
    assert ledger.accept(job("second", key="k")) == set()
    assert ledger.row(first.id).text == "first"


def test_repeated_key_in_one_call_is_one_job_with_the_first_text(ledger: Ledger) -> None:
    new = job("first", key="k")
    assert ledger.accept(new, job("second", key="k")) == {new.id}
    assert ledger.row(new.id).text == "first"


def test_keys_accepted_by_concurrent_threads_are_one_job_each(ledger: Ledger) -> None:
    barrier = threading.Barrier(4)

    def submit(number: int) -> set[uuid.UUID]:
        barrier.wait()
        # In opposite orders, which would deadlock if rows were not always written in one order.
        jobs = [job(f"{number}", key=f"k{n}") for n in range(50)]
        return ledger.accept(*(jobs if number % 2 else reversed(jobs)))

    with ThreadPoolExecutor(4) as threads:
        new = list(threads.map(submit, range(4)))
    assert sorted(chain.from_iterable(new)) == sorted(job(key=f"k{n}").id for n in range(50))


def test_refused_text_is_a_row_with_the_reason(ledger: Ledger) -> None:
    new = job(" ")
    ledger.accept(new)
    row = ledger.row(new.id)
    assert (row.state, row.error, row.text) == ("rejected", "the text is empty", None)
    assert row.finished_at is not None and row.published_at is None


def test_states_are_returned_for_the_jobs_that_exist(ledger: Ledger) -> None:
    good, bad = job(), job(" ")
    ledger.accept(good, bad)
    with ledger.engine.connect() as connection:
        assert states(connection, [good.id, bad.id, uuid.uuid4()]) == {
            good.id: (JobState.QUEUED, None),
            bad.id: (JobState.REJECTED, "the text is empty"),
        }


def test_job_accepted_in_a_rolled_back_transaction_does_not_exist(ledger: Ledger) -> None:
    new = job()
    with ledger.engine.connect() as connection:
        accept(connection, [new])
        connection.rollback()
    assert ledger.claim(new.id) == []


def test_count_of_queued_jobs_reads_only_an_index_and_stops_at_the_limit(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(
            text("INSERT INTO plumbline.jobs (id, source, text, text_sha256, state, published_at) "
                 "SELECT gen_random_uuid(), 'test', repeat('x', 100), '', 'queued', now() "
                 "FROM generate_series(1, 20000)")
        )  # fmt: skip
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE plumbline.jobs"))
        for name, value in {
            "log_min_duration": "0", "log_nested_statements": "on", "log_analyze": "on",
            "log_level": "notice",
        }.items():  # fmt: skip
            connection.execute(text(f"LOAD 'auto_explain'; SET auto_explain.{name} = {value}"))
        notices: list[str] = []
        raw = connection.connection.driver_connection
        assert raw is not None
        raw.add_notice_handler(lambda notice: notices.append(notice.message_primary or ""))
        connection.execute(text("SET client_min_messages = notice"))
        count = connection.exec_driver_sql(statements.COUNT_QUEUED, {"limit": 50})
        assert count.scalar_one() == 50
    plan = "\n".join(notices)
    assert "Index Only Scan using jobs_queued_idx" in plan, plan
    assert "rows=50" in plan, plan
