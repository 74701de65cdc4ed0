"""The tasks Celery knows. Each parses, calls one plain function, and returns."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from time import perf_counter, sleep
from typing import Any, TypeVar

from celery import Task
from celery.exceptions import Reject
from sqlalchemy.exc import DataError

from plumbline.messages import LabelMessage, MessageRejected, ScoreMessage
from plumbline.queues import (
    ALERTS_TASK,
    DRIFT_TASK,
    LABEL_TASK,
    QUALITY_TASK,
    SCORE_TASK,
    SWEEP_TASK,
)
from plumbline_client.broker import Publisher
from plumbline_client.errors import DatabaseUnavailable, StorageError
from storage.database import translate_errors
from worker.backoff import backoff_s
from worker.broker.rejection import log_rejection
from worker.celery import app
from worker.pool.process import current_process
from worker.processing import label_message
from worker.processing.score_message import Outcome, score_message
from worker.sweeper import run_sweep
from worker.telemetry import log_fields, metrics
from worker.telemetry.metrics import ErrorKind

log = logging.getLogger(__name__)
T = TypeVar("T")
# A worker that is told to stop waits for the pause to end.
LONGEST_PAUSE_S = 5.0


# typing=False: a producer's wrong arguments are ours to judge, below, not Celery's to raise on.
@app.task(
    name=SCORE_TASK,
    bind=True,
    typing=False,
    max_retries=None,
    Request="worker.broker.request:ScoreRequest",
)
def score(self: Task, *args: Any, **arguments: Any) -> None:
    try:
        if args:
            raise MessageRejected("args: the task takes keyword arguments only")
        # Two messages without one would be the same message, and the second's texts none.
        if not isinstance(self.request.id, str) or not self.request.id:
            raise MessageRejected("id: the message needs an id of its own, a string")
        message = ScoreMessage.parse(arguments)
    except MessageRejected as rejection:
        reject(self, rejection)
        return
    settled = retry_until_settled(self, lambda: timed(message, self.request.id))
    if settled is None:
        return
    outcome, took_s = settled
    metrics.observe(outcome, took_s)
    log.info(
        "message %s: %d scored, %d rejected, %d failed, %d done elsewhere",
        self.request.id,
        outcome.scored,
        outcome.refused + len(outcome.rejected),
        len(outcome.failed),
        outcome.skipped,
        extra=log_fields.fields(self.request.id, message.source, outcome, took_s),
    )
    if outcome.returned:
        log.info("message %s: %d handed back", self.request.id, len(outcome.returned))


def timed(message: ScoreMessage, celery_id: str) -> tuple[Outcome, float]:
    """What became of the message, and the seconds it took."""
    process = current_process()
    started = perf_counter()
    with translate_errors(process.engine):
        outcome = score_message(process, message, celery_id)
    return outcome, perf_counter() - started


def retry_until_settled(task: Task, do: Callable[[], T]) -> T | None:
    """What `do` returns, tried until it does; None, and said, where its message is at fault.

    A drain, and a Redis that takes the message back meanwhile, end it as Reject and Retry.
    """
    while True:
        if current_process().guards.drain.begun():
            raise Reject("the worker drains", requeue=True)
        try:
            return do()
        except Exception as error:
            # A value PostgreSQL cannot hold is the message's own fault, and stays so.
            if isinstance(error.__cause__, DataError):
                reject(task, error)
                return None
            requeue(task, error)


def reject(task: Task, error: Exception) -> None:
    """Say why a message is none of ours, by which it ends."""
    log_rejection(task.request.id, error)


def requeue(task: Task, error: Exception) -> None:
    """Pause, put the message at the queue's end and raise Retry; return if Redis did not take it.

    Until its texts are in the ledger they are nowhere else, so no error ends a message. The pause
    is made here, not by an ETA: with that a worker goes on and fetches all the queue into memory.
    """
    away = isinstance(error, DatabaseUnavailable)
    told = metrics.error(ErrorKind.DATABASE if away else ErrorKind.TASK)
    log.warning(
        "message %s waits: %s",
        task.request.id,
        error,
        exc_info=None if away else error,
        extra=told | {"message_id": task.request.id},
    )
    metrics.retry()
    sleep(min(LONGEST_PAUSE_S, backoff_s(task.request.retries)))
    # With a Reject Celery would drop the message whose successor could not be sent.
    with suppress(Reject):
        raise task.retry(exc=error, countdown=0, throw=False)


@app.task(name=SWEEP_TASK, acks_late=False)
def sweep() -> None:
    process = current_process()
    assert process.settings.broker_url is not None
    broker_url = process.settings.broker_url.get_secret_value()
    try:
        with Publisher(broker_url) as publisher, translate_errors(process.engine):
            run_sweep(process.engine, publisher, process.settings)
    except DatabaseUnavailable as error:
        counted = metrics.error(ErrorKind.DATABASE)
        log.warning("the sweep is left to the next: %s", error, extra=counted)


@app.task(name=DRIFT_TASK, bind=True, acks_late=False, typing=False)
def drift(self: Task, **arguments: Any) -> None:
    # Brings Evidently, which only a report worker should ever hold in memory.
    from monitoring.drift.report import make_reports
    from monitoring.drift.request import ReportRequest

    process = current_process()
    try:
        request = ReportRequest.parse(arguments, self.request.id)
        make_reports(process.engine, process.settings, request)
    except (MessageRejected, StorageError) as error:
        log.error("no drift report is made: %s", error, extra=metrics.error(ErrorKind.REPORT))


# Of the same kind as a scoring message: strangers send it, and it comes again where it was lost.
@app.task(
    name=LABEL_TASK,
    bind=True,
    typing=False,
    max_retries=None,
    Request="worker.broker.request:ScoreRequest",
)
def label(self: Task, *args: Any, **arguments: Any) -> None:
    try:
        if args:
            raise MessageRejected("args: the task takes keyword arguments only")
        message = LabelMessage.parse(arguments)
    except MessageRejected as rejection:
        reject(self, rejection)
        return
    outcome = retry_until_settled(
        self, lambda: label_message.take(current_process().engine, message)
    )
    if outcome is not None:
        log.info("message %s: %s", self.request.id, label_message.sentence(outcome))


@app.task(name=QUALITY_TASK, bind=True, acks_late=False)
def quality(self: Task, asked: bool = False) -> None:
    from monitoring.quality.report import make_reports

    process = current_process()
    task_id = self.request.id if asked else None
    try:
        make_reports(process.engine, process.settings, now=datetime.now(UTC), task_id=task_id)
    except StorageError as error:
        log.error("no quality reports are made: %s", error, extra=metrics.error(ErrorKind.REPORT))


@app.task(name=ALERTS_TASK, acks_late=False)
def alerts() -> None:
    from monitoring.alerts.evaluation import evaluate
    from monitoring.alerts.webhook import deliver

    process = current_process()
    try:
        evaluate(process.engine, process.settings)
        deliver(process.engine, process.settings)
    except StorageError as error:
        log.error("alerts are not judged: %s", error, extra=metrics.error(ErrorKind.REPORT))
