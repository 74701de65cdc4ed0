"""The tasks Celery knows. Each parses, calls one plain function, and returns."""

from __future__ import annotations

import logging
from contextlib import suppress
from datetime import datetime
from time import sleep
from typing import Any

from celery import Task
from celery.exceptions import Reject
from sqlalchemy.exc import DataError

from plumbline.messages import DRIFT_TASK, SWEEP_TASK, TASK, Message, MessageRejected
from plumbline.publisher import Publisher
from scoring.errors import ScoringError
from storage.database import clear_errors
from storage.errors import DatabaseUnavailable, StorageError
from worker.backoff import backoff_s
from worker.celery import app
from worker.process import current_process
from worker.score_message import score_message
from worker.sweeper import run_sweep

log = logging.getLogger(__name__)
# A worker that is told to stop waits for the pause to end.
LONGEST_PAUSE_S = 5.0


# typing=False: a producer's wrong arguments are ours to judge, below, not Celery's to raise on.
@app.task(
    name=TASK, bind=True, typing=False, max_retries=None, Request="worker.request:ScoreRequest"
)
def score(self: Task, *args: Any, **arguments: Any) -> None:
    try:
        if args:
            raise MessageRejected("args: the task takes keyword arguments only")
        # Two messages without one would be the same message, and the second's texts none.
        if not isinstance(self.request.id, str) or not self.request.id:
            raise MessageRejected("id: the message needs an id of its own, a string")
        message = Message.parse(arguments)
    except MessageRejected as rejection:
        log.error("message %s is rejected: %s", self.request.id, rejection)
        return
    process = current_process()
    while True:
        if process.guards.drain.begun():
            raise Reject("the worker drains", requeue=True)
        try:
            with clear_errors(process.engine):
                outcome = score_message(process, message, self.request.id)
            break
        except Exception as error:
            # A value PostgreSQL cannot hold is the message's own fault, and stays so.
            if isinstance(error.__cause__, DataError):
                log.error("message %s is rejected: %s", self.request.id, error)
                return
            put_back(self, error)
    log.info(
        "message %s: %d scored, %d rejected, %d failed, %d done elsewhere",
        self.request.id,
        outcome.scored,
        outcome.refused + len(outcome.rejected),
        len(outcome.failed),
        outcome.skipped,
    )
    if outcome.returned:
        log.info("message %s: %d handed back", self.request.id, len(outcome.returned))


def put_back(task: Task, error: Exception) -> None:
    """Pause, put the message at the queue's end and raise Retry; return if Redis did not take it.

    Until its texts are in the ledger they are nowhere else, so no error ends a message. The pause
    is made here, not by an ETA: with that a worker goes on and fetches all the queue into memory.
    """
    log.warning(
        "message %s waits: %s",
        task.request.id,
        error,
        exc_info=None if isinstance(error, DatabaseUnavailable) else error,
    )
    sleep(min(LONGEST_PAUSE_S, backoff_s(task.request.retries)))
    # With a Reject Celery would drop the message whose successor could not be sent.
    with suppress(Reject):
        raise task.retry(exc=error, countdown=0, throw=False)


@app.task(name=SWEEP_TASK, acks_late=False)
def sweep() -> None:
    process = current_process()
    assert process.settings.broker_url is not None
    publisher = Publisher(process.settings.broker_url.get_secret_value())
    try:
        with clear_errors(process.engine):
            run_sweep(process.engine, publisher, process.settings)
    except DatabaseUnavailable as error:
        log.warning("the sweep is left to the next: %s", error)
    finally:
        publisher.close()


@app.task(name=DRIFT_TASK, bind=True, acks_late=False)
def drift(self: Task, source: str | None = None, since: str | None = None) -> None:
    # Brings Evidently, which only a report worker should ever hold in memory.
    from monitoring.report import make_report

    try:
        start = datetime.fromisoformat(since) if since else None
    except ValueError:
        log.error("no drift report is made: since is no ISO 8601 time: %r", since)
        return
    process = current_process()
    try:
        make_report(
            process.engine, process.settings, source=source, since=start, task_id=self.request.id
        )
    except (StorageError, ScoringError) as error:
        log.error("no drift report is made: %s", error)
