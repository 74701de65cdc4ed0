"""The Celery tasks. Each parses its arguments, calls one plain function, and returns."""

from __future__ import annotations

import logging
from time import perf_counter
from typing import Any

from celery import Task

from plumbline.labels import parse_label
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
from plumbline_client.errors import StorageError
from storage.database import translate_errors
from storage.jobs import labels
from storage.jobs.labels import LabelOutcome
from worker import periodic
from worker.broker.expiry import latest_deadline
from worker.broker.rejection import log_rejection
from worker.broker.retry import retry_until_settled
from worker.celery import app
from worker.pool.process import current_process
from worker.processing.outcome import MessageOutcome
from worker.processing.score_message import score_message
from worker.sweeper import run_sweep
from worker.telemetry import metrics
from worker.telemetry.logs import message_fields
from worker.telemetry.metrics import ErrorKind

log = logging.getLogger(__name__)


# typing=False: wrong arguments are rejected below, with a reason; Celery would only raise.
@app.task(
    name=SCORE_TASK,
    bind=True,
    typing=False,
    max_retries=None,
    Request="worker.broker.request:MessageRequest",
)
def score(self: Task, *args: Any, **arguments: Any) -> None:
    try:
        if args:
            raise MessageRejected("args: the task takes keyword arguments only")
        # The ids of keyless texts derive from it: two messages without an id would be one message.
        if not isinstance(self.request.id, str) or not self.request.id:
            raise MessageRejected("id: the message needs an id of its own, a string")
        message = ScoreMessage.parse(arguments).expiring(latest_deadline(self.request.expires))
    except MessageRejected as rejection:
        log_rejection(self.request.id, rejection)
        return
    settled = retry_until_settled(self, lambda: score_timed(message, self.request.id))
    if settled is None:
        return
    outcome, duration_s = settled
    metrics.observe_message(outcome, duration_s)
    log.info(
        "message %s: %d scored, %d rejected, %d failed, %d done elsewhere",
        self.request.id,
        outcome.scored,
        outcome.rejected_count,
        len(outcome.failed),
        outcome.skipped,
        extra=message_fields(self.request.id, message.source, outcome, duration_s),
    )
    if outcome.returned:
        log.info("message %s: %d returned unscored", self.request.id, len(outcome.returned))


def score_timed(message: ScoreMessage, celery_id: str) -> tuple[MessageOutcome, float]:
    """Return the outcome of the message and the duration in seconds."""
    process = current_process()
    started = perf_counter()
    with translate_errors(process.engine):
        outcome = score_message(process, message, celery_id)
    return outcome, perf_counter() - started


def begins(task: Task) -> bool:
    """Return whether to run a periodic task. Raises StorageError."""
    engine = current_process().engine
    with translate_errors(engine):
        return periodic.begin(task, engine)


@app.task(name=SWEEP_TASK, bind=True, acks_late=False)
def sweep(self: Task) -> None:
    process = current_process()
    try:
        if not begins(self):
            return
        with (
            Publisher(process.services.broker_url) as publisher,
            translate_errors(process.engine),
        ):
            run_sweep(process.engine, publisher, process.settings, process.services)
    except StorageError as error:
        fields = metrics.count_error(ErrorKind.DATABASE)
        log.warning("this sweep is skipped: %s", error, extra=fields)


# Producers send labels as they send texts, so both tasks treat a message alike.
@app.task(
    name=LABEL_TASK,
    bind=True,
    typing=False,
    max_retries=None,
    Request="worker.broker.request:MessageRequest",
)
def label(self: Task, *args: Any, **arguments: Any) -> None:
    try:
        if args:
            raise MessageRejected("args: the task takes keyword arguments only")
        message = LabelMessage.parse(arguments)
    except MessageRejected as rejection:
        log_rejection(self.request.id, rejection)
        return
    outcome = retry_until_settled(self, lambda: write_labels(message))
    if outcome is not None:
        log.info(
            "message %s: %d labels accepted, %d changed, %d known, %d of unknown jobs, %d unusable",
            self.request.id,
            outcome.accepted,
            outcome.changed,
            outcome.known,
            len(outcome.unknown),
            len(outcome.unusable),
        )


def write_labels(message: LabelMessage) -> LabelOutcome:
    """Write the usable labels in one transaction."""
    engine = current_process().engine
    with translate_errors(engine), engine.begin() as connection:
        return labels.add(connection, message.entries(), parse_label)


@app.task(name=DRIFT_TASK, bind=True, acks_late=False, typing=False)
def drift(self: Task, **arguments: Any) -> None:
    # Imports Evidently, which only a report worker should hold in memory.
    from monitoring.drift.report import make_reports
    from monitoring.drift.request import DriftReportRequest

    process = current_process()
    try:
        request = DriftReportRequest.parse(arguments, self.request.id)
        if not begins(self):
            return
        make_reports(process.engine, process.settings, request)
    except (MessageRejected, StorageError) as error:
        fields = metrics.count_error(ErrorKind.REPORT)
        log.error("the drift report failed: %s", error, extra=fields)


@app.task(name=QUALITY_TASK, bind=True, acks_late=False)
def quality(self: Task, asked: bool = False) -> None:
    """Update the quality reports. `asked` records the task's id for a command that waits for it."""
    from monitoring.quality.report import make_reports

    process = current_process()
    task_id = self.request.id if asked else None
    try:
        if not begins(self):
            return
        make_reports(process.engine, process.settings, task_id=task_id)
    except StorageError as error:
        fields = metrics.count_error(ErrorKind.REPORT)
        log.error("the quality reports failed: %s", error, extra=fields)


@app.task(name=ALERTS_TASK, bind=True, acks_late=False)
def alerts(self: Task) -> None:
    from monitoring.alerts.evaluation import evaluate
    from monitoring.alerts.webhook import deliver

    process = current_process()
    try:
        if not begins(self):
            return
        evaluate(process.engine, process.settings)
        deliver(process.engine, process.settings)
    except StorageError as error:
        fields = metrics.count_error(ErrorKind.REPORT)
        log.error("the alert evaluation failed: %s", error, extra=fields)
