"""Attempts at a message that the tests process themselves; no server is ever connected."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery, Task
from celery.exceptions import Reject
from sqlalchemy.exc import DataError

from plumbline.messages import MessageRejected, SourceRefused
from plumbline.settings import Settings
from plumbline_client.errors import DatabaseRefused, DatabaseUnavailable
from plumbline_client.services import Services
from storage.database import connect
from storage.direct import PersistentConnection
from storage.rejected_messages import RejectedMessage
from worker.broker import retry
from worker.broker.gate import FAILURES_HEADER, MOST_FAILURES
from worker.broker.put_back import counts_as
from worker.broker.retry import LONGEST_PAUSE_S, attempt
from worker.broker.unacknowledged import FAILED, UNCOUNTED, UNSERVED
from worker.pool import process
from worker.pool.loaded_models import LoadedModels
from worker.pool.process import Guards, WorkerProcess

MEMORY = "memory://localhost"
UNAVAILABLE = DatabaseUnavailable("PostgreSQL cannot be reached.")


@pytest.fixture
def guards(monkeypatch: pytest.MonkeyPatch) -> Guards:
    """The guards of this process."""
    services = Services("postgresql://nobody@127.0.0.1:1/none", MEMORY)
    engine = connect(services.database_url)
    guards = Guards()
    current = WorkerProcess(
        Settings(),
        services,
        engine,
        PersistentConnection(engine),
        LoadedModels(Path("none"), "none"),
        guards,
    )
    monkeypatch.setattr(process, "_current", current)
    return guards


@pytest.fixture
def pauses_s(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses, which take no time."""
    pauses_s: list[float] = []
    monkeypatch.setattr(retry, "sleep", pauses_s.append)
    return pauses_s


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch) -> list[RejectedMessage]:
    """The rows of rejected messages, which are not written."""
    rows: list[RejectedMessage] = []
    monkeypatch.setattr(retry, "write_rejections", rows.extend)
    return rows


def echo(self: Task, **_: Any) -> None:
    """A task that never runs: the tests call the functions of the module themselves."""


@pytest.fixture
def task(guards: Guards, pauses_s: list[float], rows: list[RejectedMessage]) -> Iterator[Task]:
    """A task that is processing the message "m" for the first time."""
    app = Celery("test", broker=MEMORY, set_as_current=False)
    task: Task = app.task(name="echo", bind=True, shared=False)(echo)
    app.finalize()
    task.push_request(
        id="m",
        args=(),
        kwargs={"n": 1},
        retries=0,
        delivery_info={"exchange": "", "routing_key": "plumbline.score"},
        called_directly=False,
    )
    yield task
    task.pop_request()
    app.close()


def fail_before(task: Task, failures: int) -> None:
    """Let the message have failed that often, as the gate counts it."""
    task.request.update({"retries": failures, FAILURES_HEADER: failures})


def raising(error: BaseException) -> Any:
    def operation() -> str:
        raise error

    return operation


def refused_value() -> DatabaseRefused:
    """Return the error of a value that PostgreSQL cannot hold."""
    refused = DatabaseRefused("PostgreSQL refused the statement.")
    refused.__cause__ = DataError("INSERT", {}, Exception("invalid byte sequence"))
    return refused


def test_result_of_the_operation_is_returned(task: Task, pauses_s: list[float]) -> None:
    assert attempt(task, lambda: "result") == "result"
    assert pauses_s == []


def test_a_message_without_postgresql_is_put_back_after_a_pause_and_never_ends(
    task: Task,
    pauses_s: list[float],
    rows: list[RejectedMessage],
    caplog: pytest.LogCaptureFixture,
) -> None:
    fail_before(task, MOST_FAILURES)
    with pytest.raises(Reject) as rejected:
        attempt(task, raising(UNAVAILABLE))
    assert rejected.value.requeue and counts_as(rejected.value) == UNSERVED
    assert len(pauses_s) == 1 and pauses_s[0] > 0
    (record,) = caplog.records
    assert record.getMessage() == "message m will be retried: PostgreSQL cannot be reached."
    assert record.exc_info is None and rows == []


def test_an_unexpected_error_is_counted_and_logged_with_its_traceback(
    task: Task, rows: list[RejectedMessage], caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(Reject) as rejected:
        attempt(task, raising(KeyError("id")))
    assert rejected.value.requeue and counts_as(rejected.value) == FAILED
    (record,) = caplog.records
    assert record.levelno == logging.WARNING and record.exc_info is not None
    assert rows == []


@pytest.mark.parametrize("error", [KeyError("a text"), MemoryError(), RecursionError()])
def test_a_message_that_failed_too_often_ends_in_a_row_without_the_error_s_words(
    task: Task, rows: list[RejectedMessage], pauses_s: list[float], error: BaseException
) -> None:
    fail_before(task, MOST_FAILURES - 1)
    assert attempt(task, raising(error)) is None
    assert rows == [
        RejectedMessage(
            queue="plumbline.score",
            reason=f"it failed: {type(error).__name__}",
            message_id="m",
            task="echo",
        )
    ]
    assert pauses_s == []


def test_the_pause_is_shorter_than_a_shutdown_may_wait(task: Task, pauses_s: list[float]) -> None:
    task.request.update({"retries": 50})
    with pytest.raises(Reject):
        attempt(task, raising(UNAVAILABLE))
    assert pauses_s == [LONGEST_PAUSE_S]


def test_an_invalid_message_ends_at_once(
    task: Task, rows: list[RejectedMessage], caplog: pytest.LogCaptureFixture
) -> None:
    assert attempt(task, raising(MessageRejected("jobs: Field required"))) is None
    assert [(row.message_id, row.reason) for row in rows] == [("m", "jobs: Field required")]
    assert "message m is rejected: jobs: Field required" in caplog.text


def test_the_row_of_a_refused_source_names_it(task: Task, rows: list[RejectedMessage]) -> None:
    assert attempt(task, raising(SourceRefused("billing", "it is bound"))) is None
    assert [row.source for row in rows] == ["billing"]


def test_a_message_whose_row_cannot_be_written_is_put_back(
    task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_postgresql(rows: list[RejectedMessage]) -> None:
        raise UNAVAILABLE

    monkeypatch.setattr(retry, "write_rejections", without_postgresql)
    with pytest.raises(Reject) as rejected:
        attempt(task, raising(MessageRejected("jobs: Field required")))
    assert rejected.value.requeue and counts_as(rejected.value) == UNSERVED


def test_a_value_that_postgresql_refuses_is_tried_once_more_and_ends(
    task: Task, rows: list[RejectedMessage], caplog: pytest.LogCaptureFixture
) -> None:
    """The second attempt goes text by text, so that only the refused ones end."""
    with pytest.raises(Reject) as rejected:
        attempt(task, raising(refused_value()))
    assert counts_as(rejected.value) == FAILED and rows == []
    fail_before(task, 1)
    assert attempt(task, raising(refused_value())) is None
    assert [row.reason for row in rows] == ["PostgreSQL refused the statement."]
    assert "message m is rejected: PostgreSQL refused the statement." in caplog.text


def test_a_draining_worker_returns_the_message_without_an_attempt(
    task: Task, guards: Guards
) -> None:
    guards.drain.begin()
    with pytest.raises(Reject) as rejected:
        attempt(task, raising(AssertionError("it must not be called")))
    assert rejected.value.requeue and counts_as(rejected.value) == UNCOUNTED
