"""Retries of a task until its operation succeeds, its message proves invalid, or a drain begins."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from time import sleep
from typing import TypeVar

from celery import Task
from celery.exceptions import Reject
from sqlalchemy.exc import DataError

from plumbline_client.errors import StorageError
from worker.backoff import backoff_s
from worker.broker.rejection import log_rejection
from worker.pool.process import current_process
from worker.telemetry import metrics
from worker.telemetry.metrics import ErrorKind

log = logging.getLogger(__name__)
T = TypeVar("T")
# A worker that is shutting down waits for the pause to end.
LONGEST_PAUSE_S = 5.0


def retry_until_settled(task: Task, operation: Callable[[], T]) -> T | None:
    """Call `operation` until it succeeds. Return None after rejecting an invalid message.

    Raises Reject if the worker is draining, and Retry once Redis has requeued the message.
    """
    while True:
        if current_process().guards.drain.begun():
            raise Reject("the worker is draining", requeue=True)
        try:
            return operation()
        except Exception as error:
            # PostgreSQL will never accept the value, so a retry cannot help.
            if isinstance(error.__cause__, DataError):
                log_rejection(task.request.id, error)
                return None
            requeue(task, error)


def requeue(task: Task, error: Exception) -> None:
    """Pause, append the message to the queue and raise Retry; return if Redis did not accept it.

    Until its texts are in the ledger they exist nowhere else, so no error may end a message. The
    pause is a sleep, not an ETA: with an ETA, the worker would continue to fetch, and would read
    the whole queue into memory.
    """
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
    # On a Reject, Celery would drop this message although its successor could not be sent.
    with suppress(Reject):
        raise task.retry(exc=error, countdown=0, throw=False)
