"""Retries on kombu's in-memory broker; no database is ever connected."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery, Task
from celery.exceptions import Reject, Retry
from sqlalchemy.exc import DataError

from plumbline.settings import Settings
from plumbline_client.errors import DatabaseRefused, DatabaseUnavailable
from plumbline_client.services import Services
from storage.database import connect
from storage.direct import PersistentConnection
from worker.broker import retry
from worker.broker.retry import LONGEST_PAUSE_S, retry_until_settled
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


def echo(self: Task, **_: Any) -> None:
    """A task that never runs: the tests call the functions of the module themselves."""


def make_task(broker_url: str) -> Task:
    app = Celery("test", broker=broker_url, set_as_current=False)
    app.conf.update(
        task_publish_retry=False,
        task_default_queue="echo",
        broker_transport_options={"max_retries": 1, "interval_start": 0.0, "interval_step": 0.0},
    )

    task: Task = app.task(name="echo", bind=True, max_retries=None, shared=False)(echo)
    app.finalize()
    return task


@pytest.fixture
def task(guards: Guards, pauses_s: list[float]) -> Iterator[Task]:
    """A task that is processing the message "m"."""
    for task in task_with_message(MEMORY):
        with task.app.connection() as connection, connection.SimpleQueue("echo") as queue:
            queue.clear()  # all connections of a process share the queue
        yield task


def task_with_message(broker_url: str, retries: int = 0) -> Iterator[Task]:
    task = make_task(broker_url)
    delivery = {"exchange": "", "routing_key": "echo"}
    task.push_request(
        id="m",
        args=(),
        kwargs={"n": 1},
        retries=retries,
        delivery_info=delivery,
        called_directly=False,
    )
    yield task
    task.pop_request()
    task.app.close()


def queued(task: Task) -> Any:
    """Return the next message in the queue."""
    with task.app.connection() as connection, connection.SimpleQueue("echo") as queue:
        return queue.get(timeout=5)


def raising(*errors: Exception) -> Any:
    """Return an operation that raises these errors, one per call, and then succeeds."""
    remaining = list(errors)

    def operation() -> str:
        if remaining:
            raise remaining.pop(0)
        return "result"

    return operation


def test_result_of_the_operation_is_returned(task: Task, pauses_s: list[float]) -> None:
    assert retry_until_settled(task, raising()) == "result"
    assert pauses_s == []


def test_a_failed_operation_requeues_the_message_after_a_pause(
    task: Task, pauses_s: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(Retry):
        retry_until_settled(task, raising(UNAVAILABLE))
    assert len(pauses_s) == 1 and pauses_s[0] > 0
    message = queued(task)
    assert (message.headers["id"], message.headers["retries"]) == ("m", 1)
    assert message.headers["eta"] is None, "the worker would read the whole queue into memory"
    assert message.payload[1] == {"n": 1}
    (record,) = caplog.records
    assert record.getMessage() == "message m will be retried: PostgreSQL cannot be reached."
    assert record.exc_info is None


def test_an_unexpected_error_is_logged_with_its_traceback(
    task: Task, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(Retry):
        retry_until_settled(task, raising(KeyError("id")))
    (record,) = caplog.records
    assert record.levelno == logging.WARNING and record.exc_info is not None


def test_the_pause_is_shorter_than_a_shutdown_may_wait(
    guards: Guards, pauses_s: list[float]
) -> None:
    for task in task_with_message(MEMORY, retries=50):
        with pytest.raises(Retry):
            retry_until_settled(task, raising(UNAVAILABLE))
    assert pauses_s == [LONGEST_PAUSE_S]


def test_a_value_that_postgresql_refuses_ends_the_message(
    task: Task, pauses_s: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    refused = DatabaseRefused("PostgreSQL refused the statement.")
    refused.__cause__ = DataError("INSERT", {}, Exception("invalid byte sequence"))
    assert retry_until_settled(task, raising(refused)) is None
    assert pauses_s == []
    assert "message m is rejected: PostgreSQL refused the statement." in caplog.text


def test_a_draining_worker_returns_the_message_without_an_attempt(
    task: Task, guards: Guards
) -> None:
    guards.drain.begin()
    with pytest.raises(Reject) as rejected:
        retry_until_settled(task, raising(AssertionError("it must not be called")))
    assert rejected.value.requeue


def test_a_message_that_cannot_be_requeued_is_tried_again(
    guards: Guards, pauses_s: list[float]
) -> None:
    """Celery alone would drop the message."""
    for task in task_with_message("redis://127.0.0.1:1/0"):
        assert retry_until_settled(task, raising(UNAVAILABLE, UNAVAILABLE)) == "result"
    assert len(pauses_s) == 2
