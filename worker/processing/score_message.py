"""The processing of one message: claim its texts, score them one by one, write all outcomes."""

from __future__ import annotations

import logging
import os
import uuid
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from time import monotonic, perf_counter, sleep

from sqlalchemy.exc import DBAPIError

from plumbline.messages import ScoreMessage
from plumbline.settings import Settings
from plumbline.system_errors import reason_without_quotes
from plumbline_client.errors import TextRefused
from plumbline_client.identity import former_message_job_id, message_job_id
from plumbline_client.new_job import NewJob, new_job
from scoring.errors import ModelUnavailable
from storage.database import is_transient
from storage.jobs.claim import Lease, claim
from storage.jobs.finish import finish, reject
from storage.jobs.leases import release, return_unstarted
from worker.backoff import backoff_s
from worker.pool.loaded_models import Scorers
from worker.pool.process import Guards, WorkerProcess
from worker.processing.conflicts import record_conflicts
from worker.processing.outcome import MessageOutcome
from worker.processing.prediction import to_prediction
from worker.processing.shadow import score_with_shadow
from worker.processing.slices import Slice, slices
from worker.processing.unclaimable import end_text, ends_text
from worker.telemetry import metrics
from worker.telemetry.metrics import ErrorKind
from worker.telemetry.redaction import WITHHOLD

log = logging.getLogger(__name__)
# Computed scores are worth waiting for a PostgreSQL that restarts, but not during a drain.
WRITE_PATIENCE_S = 60.0
WRITE_PATIENCE_DRAINING_S = 2.0
LONGEST_PAUSE_S = 2.0


@dataclass(frozen=True, slots=True)
class Delivery:
    """How a message arrived: its id, its list, when its texts are due, and how often it failed."""

    message_id: str
    list_name: str | None = None
    not_before: datetime | None = None
    failures: int = 0


def score_message(
    process: WorkerProcess, message: ScoreMessage, delivery: Delivery
) -> MessageOutcome:
    """Score those texts of the message that are not done yet, in slices.

    A message that failed before is claimed text by text: a text that fails by itself then ends in a
    row, and the others are scored. A drain leaves the slices that are not begun `unclaimed`; the
    message must return to its queue.

    Safe to call any number of times with the same message, concurrently or in sequence. Raises
    DBAPIError if PostgreSQL is unavailable; then nothing was written, or the leases will expire.
    """
    total = MessageOutcome()
    parts = list(slices(message, one_by_one=delivery.failures > 0))
    for number, part in enumerate(parts):
        if number and process.guards.drain.begun():
            total.unclaimed = len(message.jobs) - part.first
            break
        try:
            total.add(score_slice(process, part, delivery, alone=len(parts) == 1))
        except (Exception, MemoryError) as error:
            if not ends_text(error, delivery.failures):
                raise
            end_text(process, part, delivery, error)
            total.refused += 1
    return total


def score_slice(
    process: WorkerProcess, part: Slice, delivery: Delivery, *, alone: bool = True
) -> MessageOutcome:
    """Claim, score and finish the jobs of one slice."""
    message = part.message
    arriving = arriving_jobs(part, delivery, process.settings)
    known = [job.id for job in message.jobs if job.id is not None]
    with process.statements.connection() as connection:
        leases = claim(connection, arriving, known, process.settings.lease_s, alone=alone)
        conflicts = record_conflicts(connection, part, delivery, arriving, leases)
    in_flight = process.guards.in_flight
    in_flight.record_leases(id_and_fence(leases))
    try:
        outcome = score_and_renew(process, leases) if leases else MessageOutcome()
        written_ids = write(process, outcome)
    finally:
        in_flight.clear()
    outcome.refused = sum(job.error is not None for job in arriving)
    outcome.conflicts = conflicts
    unclaimed = len(message.jobs) - len(leases)
    outcome.skipped = max(0, unclaimed - outcome.refused - outcome.conflicts)
    outcome.written = [entry for entry in outcome.predictions if entry.id in written_ids]
    if outcome.written:
        outcome.shadow = score_with_shadow(process, leases, outcome.written)
    return outcome


def score_and_renew(process: WorkerProcess, leases: list[Lease]) -> MessageOutcome:
    """Score with the versions deployed at the claim, while a thread renews the leases."""
    outcome = MessageOutcome()

    def score() -> MessageOutcome:
        try:
            scorers = process.models.scorers_for(leases[0].serving)
        except ModelUnavailable:
            # No text is at fault, so no attempt counts.
            write(process, MessageOutcome(returned=leases))
            raise
        return score_leases(scorers, leases, process.guards, outcome)

    if process.lease_renewal is None:
        return score()

    def abandon() -> None:
        log.warning("the worker is stopping and returns a text that takes too long to score")
        with suppress(DBAPIError):
            write(process, interrupted(outcome, leases))
            process.guards.in_flight.clear()
        # If the write failed, the parent returns the leases, or they expire.
        os._exit(0)

    with process.lease_renewal.renewing(id_and_fence(leases), abandon):
        return score()


def interrupted(outcome: MessageOutcome, leases: list[Lease]) -> MessageOutcome:
    """Return a copy of an unfinished outcome in which every unsettled lease is returned."""
    predictions = outcome.predictions[:]
    rejected, failed = outcome.rejected[:], outcome.failed[:]
    settled = {prediction.id for prediction in predictions}
    settled |= {lease.id for lease, _ in rejected + failed}
    returned = [lease for lease in leases if lease.id not in settled]
    return MessageOutcome(
        predictions=predictions, rejected=rejected, failed=failed, returned=returned
    )


def id_and_fence(leases: list[Lease]) -> list[tuple[uuid.UUID, int]]:
    return [(lease.id, lease.fence) for lease in leases]


def write(process: WorkerProcess, outcome: MessageOutcome) -> set[uuid.UUID]:
    """Write the outcome of the leased texts, with retries after transient errors.

    Returns the ids of the jobs whose predictions were written. A retry cannot repeat what an
    earlier attempt wrote: the fencing tokens no longer match.
    """
    started, retries = monotonic(), 0
    written: set[uuid.UUID] = set()
    while True:
        try:
            with process.statements.connection() as connection:
                written |= finish(connection, outcome.predictions)
                for lease, reason in outcome.rejected:
                    reject(connection, lease, reason)
                for lease, reason in outcome.failed:
                    release(connection, lease, reason, process.settings.max_attempts)
                return_unstarted(connection, id_and_fence(outcome.returned))
            return written
        except DBAPIError as error:
            draining = process.guards.drain.begun()
            patience_s = WRITE_PATIENCE_DRAINING_S if draining else WRITE_PATIENCE_S
            if not is_transient(error) or monotonic() - started > patience_s:
                raise
            log.warning("writing scores failed and will be retried: %s", error.orig)
            sleep(min(LONGEST_PAUSE_S, backoff_s(retries)))
            retries += 1


def arriving_jobs(part: Slice, delivery: Delivery, settings: Settings) -> list[NewJob]:
    """Return jobs for the texts in the slice.

    A keyless text is identified by the message's id, its source, itself and its position.
    """
    jobs = []
    message, celery_id = part.message, delivery.message_id
    for position, job in enumerate(message.jobs, part.first):
        if job.text is None:
            continue
        new = new_job(
            job.text,
            source=message.source,
            max_chars=settings.max_text_chars,
            key=job.key,
            deadline=job.deadline,
        )
        if new.key is None:
            identity = message_job_id(celery_id, message.source, new.text_sha256, position)
            new = replace(new, id=identity, former_id=former_message_job_id(celery_id, position))
        jobs.append(replace(new, not_before=delivery.not_before))
    return jobs


def by_length(scorers: Scorers, leases: list[Lease], guards: Guards) -> list[int]:
    """Return the positions of the texts in the order of the model's input lengths.

    The runtime prepares itself for each new length, which takes an eighth of the time of a short
    text. A text that is as long as its neighbour needs no preparation.
    """
    if len(leases) == 1:
        return [0]
    lengths = dict.fromkeys(range(len(leases)), 0)
    for position, lease in enumerate(leases):
        if guards.drain.begun():
            break
        guards.begin_text(position)
        # A text that fails here fails again when it is scored, and then with a reason.
        with suppress(Exception):
            lengths[position] = scorers.for_job(lease.id).window_tokens(lease.text)
        guards.end_text()
    return sorted(lengths, key=lengths.__getitem__)


def score_leases(
    scorers: Scorers,
    leases: list[Lease],
    guards: Guards | None = None,
    outcome: MessageOutcome | None = None,
) -> MessageOutcome:
    """Score each text by itself; a failure is recorded with its reason and affects no other text.

    A drain lets the current text finish and returns the rest. `outcome` is updated after each text,
    so that another thread can read what is settled. Its predictions are in the order of the
    message, although the texts are scored in order of their length.
    """
    guards = guards or Guards()
    outcome = outcome or MessageOutcome()
    claimed_at = perf_counter()
    order = by_length(scorers, leases, guards)
    for number, position in enumerate(order):
        if guards.drain.begun():
            outcome.returned = [leases[unscored] for unscored in sorted(order[number:])]
            break
        lease = leases[position]
        queue_ms = lease.queue_ms + 1000.0 * (perf_counter() - claimed_at)
        guards.begin_text(position)
        try:
            score = scorers.for_job(lease.id).score(lease.text)
        except TextRefused as refusal:
            outcome.rejected.append((lease, str(refusal)))
        except MemoryError:
            fields = metrics.count_error(ErrorKind.MEMORY) | {"job_id": lease.id}
            log.error("job %s could not be scored: out of memory", lease.id, extra=fields)
            outcome.failed.append((lease, "it needs more memory than a worker process may take"))
        except Exception as error:
            fields = metrics.count_error(ErrorKind.MODEL) | {"job_id": lease.id}
            log.exception("job %s could not be scored", lease.id, extra=fields | {WITHHOLD: True})
            outcome.failed.append((lease, reason_without_quotes(error)))
        else:
            outcome.predictions.append(to_prediction(lease, score, queue_ms))
        finally:
            guards.end_text()
    places = {lease.id: position for position, lease in enumerate(leases)}
    # A new list: another thread would find one that is being sorted empty.
    outcome.predictions = sorted(outcome.predictions, key=lambda entry: places[entry.id])
    return outcome
