"""Attempts at a task, until its operation succeeds, its message is invalid, or a drain begins."""

from __future__ import annotations

import logging
from collections.abc import Callable
from time import sleep
from typing import TypeVar

from celery import Task

from plumbline.messages import MessageRejected, SourceRefused
from plumbline_client.errors import StorageError
from storage import rejected_messages
from storage.database import translate_errors
from storage.rejected_messages import RejectedMessage
from worker.backoff import backoff_s
from worker.broker.gate import FAILURES_HEADER, MOST_FAILURES
from worker.broker.put_back import PutBack, is_final, is_outage, put_back
from worker.broker.rejection import log_rejection, row_reason
from worker.pool.process import current_process
from worker.telemetry import metrics
from worker.telemetry.metrics import ErrorKind

log = logging.getLogger(__name__)
T = TypeVar("T")
# A worker that is shutting down waits for the pause to end.
LONGEST_PAUSE_S = 5.0


def attempt(task: Task, operation: Callable[[], T]) -> T | None:
    """Call `operation`. Return None after rejecting the message, with a row that says why.

    Raises Reject, which puts the message back, if the worker is draining, if PostgreSQL is away, or
    if the operation fails. Without PostgreSQL a message is tried without limit: until its texts are
    in the ledger, they exist nowhere else. Any other failure is counted, and a message that failed
    too often ends.
    """
    if current_process().guards.drain.begun():
        raise put_back(PutBack.DRAINING)
    try:
        return operation()
    except MessageRejected as rejection:
        reject(task, rejection)
        return None
    except (Exception, MemoryError) as error:
        if (is_final(error) and failures(task) > 0) or is_last_attempt(task, error):
            reject(task, error)
            return None
        pause_and_put_back(task, error)
        raise AssertionError("the message was put back") from error


def failures(task: Task) -> int:
    """Return how often the message failed for no other reason than itself."""
    count = task.request.get(FAILURES_HEADER)
    return count if isinstance(count, int) else 0


def is_last_attempt(task: Task, error: BaseException) -> bool:
    return not is_outage(error) and failures(task) >= MOST_FAILURES - 1


def reject(task: Task, error: BaseException) -> None:
    """End the message: with a log line and a row, before it is acknowledged."""
    try:
        write_rejections([rejection_row(task, error)])
    except StorageError as unavailable:
        pause_and_put_back(task, unavailable)
    log_rejection(task.request.id, error if isinstance(error, Exception) else Exception())


def rejection_row(task: Task, error: BaseException) -> RejectedMessage:
    """Return the row about the message that this task processes."""
    return RejectedMessage(
        queue=queue_of(task),
        reason=row_reason(error),
        message_id=task.request.id,
        task=task.name,
        source=error.source if isinstance(error, SourceRefused) else None,
    )


def write_rejections(rows: list[RejectedMessage]) -> None:
    """Raises StorageError."""
    engine = current_process().engine
    with translate_errors(engine), engine.begin() as connection:
        rejected_messages.add(connection, rows)


def queue_of(task: Task) -> str:
    """Return the queue that the message came in."""
    return str((task.request.delivery_info or {}).get("routing_key") or "unknown")


def pause_and_put_back(task: Task, error: BaseException) -> None:
    """Pause, and raise the Reject that puts the message back.

    The pause is a sleep in this process, which limits how many messages are tried.
    """
    outage = is_outage(error)
    of_database = isinstance(error, StorageError)
    fields = metrics.count_error(ErrorKind.DATABASE if of_database else ErrorKind.TASK)
    log.warning(
        "message %s will be retried: %s",
        task.request.id,
        error,
        exc_info=None if of_database else error,
        extra=fields | {"message_id": task.request.id},
    )
    metrics.count_retry()
    sleep(min(LONGEST_PAUSE_S, backoff_s(task.request.retries)))
    raise put_back(PutBack.UNSERVED if outage else PutBack.FAILED) from error
