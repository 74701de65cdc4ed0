"""The tasks Celery knows. Each parses, calls one plain function, and returns."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

from celery import Task
from sqlalchemy.exc import DBAPIError

from plumbline.messages import DRIFT_TASK, SWEEP_TASK, TASK, Message, MessageRejected
from plumbline.publisher import Publisher
from storage.database import is_unavailable
from worker.backoff import backoff_s
from worker.celery import app
from worker.process import current_process
from worker.score_message import score_message
from worker.sweeper import run_sweep

log = logging.getLogger(__name__)


# typing=False: a producer's wrong arguments are ours to judge, below, not Celery's to raise on.
@app.task(name=TASK, bind=True, typing=False, max_retries=None)
def score(self: Task, *args: Any, **arguments: Any) -> None:
    try:
        if args:
            raise MessageRejected("args: the task takes keyword arguments only")
        message = Message.parse(arguments)
    except MessageRejected as rejection:
        log.error("message %s is rejected: %s", self.request.id, rejection)
        return
    try:
        outcome = score_message(current_process(), message, self.request.id)
    except DBAPIError as error:
        if not is_unavailable(error):
            raise
        raise self.retry(exc=error, countdown=backoff_s(self.request.retries)) from error
    log.info(
        "message %s: %d scored, %d rejected, %d failed, %d done elsewhere",
        self.request.id,
        outcome.scored,
        len(outcome.rejected),
        len(outcome.failed),
        outcome.skipped,
    )


@app.task(name=SWEEP_TASK, acks_late=False)
def sweep() -> None:
    process = current_process()
    assert process.settings.broker_url is not None
    publisher = Publisher(process.settings.broker_url.get_secret_value())
    try:
        run_sweep(process.engine, publisher, process.settings)
    finally:
        publisher.close()


@app.task(name=DRIFT_TASK, bind=True, acks_late=False)
def drift(self: Task, source: str | None = None, since: str | None = None) -> None:
    # Brings Evidently, which only a report worker should ever hold in memory.
    from monitoring.report import make_report

    process = current_process()
    start = datetime.fromisoformat(since) if since else None
    make_report(
        process.engine, process.settings, source=source, since=start, task_id=self.request.id
    )
