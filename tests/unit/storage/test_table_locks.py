from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Any

import psycopg
import pytest
from sqlalchemy.exc import OperationalError

from storage import table_locks
from storage.errors import DatabaseInUse
from storage.table_locks import Holder, call_when_unlocked

ENGINE: Any = None
HOLDER = Holder(4711, "pg_dump", "idle in transaction", 312.4)


@pytest.fixture(autouse=True)
def fake_holder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_locks, "find_holder", lambda engine: HOLDER)


def locked(times: int, error: type[psycopg.Error]) -> Callable[[], str]:
    """Return a change that fails so many times."""
    left = iter(range(times))

    def change() -> str:
        if next(left, None) is None:
            return "changed"
        raise OperationalError(None, None, error())

    return change


@pytest.mark.parametrize(
    "error", [psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected]
)
def test_a_change_is_tried_again_after_growing_pauses_and_one_report(
    error: type[psycopg.Error],
) -> None:
    reports, pauses = list[str](), list[float]()
    ends_at = monotonic() + 600.0
    changed = call_when_unlocked(ENGINE, locked(8, error), reports.append, ends_at, pauses.append)
    assert changed == "changed"
    assert reports == [
        "The upgrade waits for process 4711 (pg_dump), which is idle in transaction in a "
        "transaction that has been open for 312 s; scoring continues."
    ]
    assert len(pauses) == 8
    assert pauses[0] <= table_locks.FIRST_PAUSE_S < pauses[-1] <= table_locks.LONGEST_PAUSE_S


def test_the_end_of_patience_names_the_session() -> None:
    change = locked(10, psycopg.errors.LockNotAvailable)
    with pytest.raises(DatabaseInUse, match=r"because process 4711 \(pg_dump\).* uses them; end"):
        call_when_unlocked(ENGINE, change, lambda _: None, monotonic() - 1.0, lambda _: None)


def test_another_error_is_not_a_lock() -> None:
    change = locked(1, psycopg.errors.UndefinedTable)
    with pytest.raises(OperationalError):
        call_when_unlocked(ENGINE, change, lambda _: None, monotonic() + 60.0, lambda _: None)


def test_a_prepared_transaction_has_no_process() -> None:
    assert str(Holder(None, "", "prepared", 0.0)).startswith("a prepared transaction")
