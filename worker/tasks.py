"""The Celery tasks. Each parses its arguments, calls one plain function, and returns."""

from __future__ import annotations

import logging
from time import perf_counter
from typing import Any

from celery import Task

from plumbline.messages import LabelMessage, MessageRejected, ScoreMessage
from plumbline.queues import (
    ALERTS_TASK,
    DRIFT_TASK,
    LABEL_TASK,
    PURGE_TASK,
    QUALITY_TASK,
    SCORE_TASK,
    SWEEP_TASK,
)
from plumbline_client.broker import Publisher
from plumbline_client.errors import StorageError
from storage.database import REPORTING, SWEEPING, statement_limit, translate_errors
from storage.jobs.labels import LabelOutcome
from worker import periodic
from worker.broker.gate import FAILURES_HEADER, LIST_HEADER
from worker.broker.message_times import EXPIRES_HEADER, NOT_BEFORE_HEADER
from worker.broker.put_back import PutBack, put_back
from worker.broker.retry import attempt, rejection_row, write_rejections
from worker.celery import app
from worker.pool.process import current_process
from worker.processing.label_message import refused_labels, write_labels
from worker.processing.message_source import check_source, source_of_list
from worker.processing.outcome import MessageOutcome
from worker.processing.score_message import Delivery, score_message
from worker.purge import run_purge
from worker.sweeper import run_sweep, skip_sweep
from worker.telemetry import metrics
from worker.telemetry.logs import message_fields
from worker.telemetry.metrics import ErrorKind

log = logging.getLogger(__name__)


# typing=False: wrong arguments are rejected below, with a reason; Celery would only raise.
@app.task(name=SCORE_TASK, bind=True, typing=False)
def score(self: Task, **arguments: Any) -> None:
    message = attempt(self, lambda: ScoreMessage.parse(arguments))
    if message is None:
        return
    delivery = delivery_of(self.request)
    message = message.sent_by(source_of_list(delivery.list_name))
    message = message.expiring(self.request.get(EXPIRES_HEADER))
    settled = attempt(self, lambda: score_timed(message, delivery))
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
    if outcome.unclaimed:
        raise put_back(PutBack.DRAINING)


def score_timed(message: ScoreMessage, delivery: Delivery) -> tuple[MessageOutcome, float]:
    """Return the outcome of the message and the duration in seconds. Raises MessageRejected."""
    process = current_process()
    started = perf_counter()
    with translate_errors(process.engine):
        with process.statements.connection() as connection:
            check_source(connection, message, delivery.list_name)
        outcome = score_message(process, message, delivery)
    return outcome, perf_counter() - started


def delivery_of(request: Any) -> Delivery:
    """Return what the gate recorded about the message."""
    return Delivery(
        request.id,
        request.get(LIST_HEADER),
        request.get(NOT_BEFORE_HEADER),
        request.get(FAILURES_HEADER) or 0,
    )


def begins(task: Task) -> bool:
    """Return whether to run a periodic task. Raises StorageError."""
    engine = current_process().engine
    with translate_errors(engine):
        return periodic.begin(task, engine)


def ends(task: Task) -> None:
    """Record that the run of a periodic task did all of its work. Raises StorageError."""
    engine = current_process().engine
    with translate_errors(engine):
        periodic.end(task, engine)


@app.task(name=SWEEP_TASK, bind=True, acks_late=False)
def sweep(self: Task) -> None:
    process = current_process()
    try:
        if not begins(self):
            return
        with (
            Publisher(process.services.broker_url) as publisher,
            translate_errors(process.engine),
            statement_limit(SWEEPING),
        ):
            swept = run_sweep(process.engine, publisher, process.settings, process.services)
            if swept is not None and swept.complete:
                periodic.end(self, process.engine)
    except StorageError as error:
        skip_sweep(error)


# Producers send labels as they send texts, so both tasks treat a message alike.
@app.task(name=LABEL_TASK, bind=True, typing=False)
def label(self: Task, **arguments: Any) -> None:
    message = attempt(self, lambda: LabelMessage.parse(arguments))
    if message is None:
        return
    outcome = attempt(self, lambda: label_jobs(self, message))
    if outcome is not None:
        log.info(
            "message %s: %d labels accepted, %d changed, %d known, %d of unknown jobs, "
            "%d unusable, %d refused",
            self.request.id,
            outcome.accepted,
            outcome.changed,
            outcome.known,
            len(outcome.unknown),
            len(outcome.unusable),
            len(outcome.refused),
        )


def label_jobs(task: Task, message: LabelMessage) -> LabelOutcome:
    """Write the labels, and a row if some of them are refused. Raises MessageRejected."""
    engine = current_process().engine
    with translate_errors(engine):
        outcome = write_labels(engine, message, task.request.get(LIST_HEADER))
    if outcome.refused:
        write_rejections([rejection_row(task, refused_labels(message, outcome))])
    return outcome


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
        with statement_limit(REPORTING):
            make_reports(process.engine, process.settings, request)
        ends(self)
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
        with statement_limit(REPORTING):
            made = make_reports(process.engine, process.settings, task_id=task_id)
        if made is not None:
            ends(self)
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
        with statement_limit(SWEEPING):
            evaluated = evaluate(process.engine, process.settings)
        if evaluated is not None:
            ends(self)
    except StorageError as error:
        fields = metrics.count_error(ErrorKind.REPORT)
        log.error("the alert evaluation failed: %s", error, extra=fields)
    # Also the notices of earlier evaluations.
    try:
        deliver(process.engine, process.settings)
    except StorageError as error:
        fields = metrics.count_error(ErrorKind.REPORT)
        log.error("no alert notices were sent: %s", error, extra=fields)


@app.task(name=PURGE_TASK, bind=True, acks_late=False)
def purge(self: Task) -> None:
    """Delete what the settings do not keep for longer."""
    process = current_process()
    try:
        if not begins(self):
            return
        with translate_errors(process.engine), statement_limit(SWEEPING):
            purged = run_purge(process.engine, process.settings)
        if purged.complete:
            ends(self)
    except StorageError as error:
        fields = metrics.count_error(ErrorKind.REPORT)
        log.error("old rows were not deleted: %s", error, extra=fields)
