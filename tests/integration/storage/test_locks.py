"""Advisory locks between two transactions of a real PostgreSQL."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import Engine

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
                assert try_lock(second, Lock.DEPLOY), "each key is a lock of its own"
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
