"""Locks between two transactions of a real PostgreSQL."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine, text

from storage.locks import Lock, lock, try_lock
from tests.database import count_waiting_for_lock
from tests.waiting import eventually


def test_lock_is_held_until_the_transaction_ends(engine: Engine) -> None:
    with engine.connect() as first, engine.connect() as second:
        with first.begin():
            assert try_lock(first, Lock.SWEEP)
            assert try_lock(first, Lock.SWEEP), "a transaction may take its own lock again"
            with second.begin():
                assert not try_lock(second, Lock.SWEEP)
                assert try_lock(second, Lock.DEPLOY), "each name is a lock of its own"
        with second.begin():
            assert try_lock(second, Lock.SWEEP)


def test_lock_waits_for_the_transaction_that_holds_it(engine: Engine) -> None:
    order: list[str] = []

    def wait_for_lock() -> None:
        with engine.begin() as connection:
            lock(connection, Lock.DEPLOY)
            order.append("second")

    with ThreadPoolExecutor(1) as thread:
        with engine.begin() as holder:
            lock(holder, Lock.DEPLOY)
            second = thread.submit(wait_for_lock)
            eventually(lambda: count_waiting_for_lock(holder) == 1)
            order.append("first")
        second.result(timeout=30)
    assert order == ["first", "second"]


def test_deleted_row_is_written_again_and_reported(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    with engine.begin() as connection:
        connection.execute(text("TRUNCATE plumbline.locks"))
    with engine.begin() as first, engine.connect() as second:
        assert try_lock(first, Lock.SWEEP)
        lock(first, Lock.DEPLOY)
        assert not second.execute(text("SELECT FROM plumbline.locks")).all()
    assert [record.message for record in caplog.records] == [
        f"the row {name} of plumbline.locks was deleted, and is written again"
        for name in ("sweep", "deploy")
    ]
    with engine.begin() as first, engine.begin() as second:
        assert try_lock(first, Lock.SWEEP)
        assert not try_lock(second, Lock.SWEEP)
        assert try_lock(second, Lock.DEPLOY)


def test_every_lock_has_a_row(engine: Engine) -> None:
    with engine.connect() as connection:
        names = connection.execute(text("SELECT name FROM plumbline.locks")).scalars().all()
    assert sorted(names) == sorted(Lock)
