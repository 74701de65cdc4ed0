"""The way of one message: claim, score one by one, finish in one statement."""

from __future__ import annotations

import logging
import os
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic, perf_counter, sleep

from sqlalchemy.exc import DBAPIError

from plumbline.messages import ScoreMessage
from plumbline.settings import Settings
from plumbline_client.errors import TextRefused
from plumbline_client.identity import message_job_id
from plumbline_client.new_job import NewJob, new_job
from storage.database import is_transient
from storage.jobs import ledger
from storage.jobs.leases import return_unstarted
from storage.jobs.ledger import Lease, NewPrediction
from worker.backoff import backoff_s
from worker.pool.loaded_models import Scorers
from worker.pool.process import Guards, Process
from worker.processing.prediction import answer
from worker.processing.shadow import ShadowOutcome, score_with_shadow
from worker.telemetry import metrics
from worker.telemetry.metrics import ErrorKind

log = logging.getLogger(__name__)
# Scores at hand are worth waiting for a PostgreSQL that restarts, but not when told to stop.
WRITE_PATIENCE_S = 60.0
WRITE_PATIENCE_DRAINING_S = 2.0
LONGEST_PAUSE_S = 2.0


@dataclass(slots=True)
class Outcome:
    """What became of a message's texts. `refused` were so on arrival, `rejected` when scored.

    `skipped` were done, held or ended elsewhere; `returned` were not begun, because of a drain.
    `answered` are those of `finished` that were written, which are `scored` in number.
    """

    scored: int = 0
    refused: int = 0
    skipped: int = 0
    finished: list[NewPrediction] = field(default_factory=list)
    rejected: list[tuple[Lease, str]] = field(default_factory=list)
    failed: list[tuple[Lease, str]] = field(default_factory=list)
    returned: list[Lease] = field(default_factory=list)
    answered: list[NewPrediction] = field(default_factory=list)
    beside: ShadowOutcome = field(default_factory=ShadowOutcome)


def score_message(process: Process, message: ScoreMessage, celery_id: str) -> Outcome:
    """Score what of the message is still to be done.

    Safe to call any number of times with the same message, at once or one after the other. Raises
    DBAPIError if PostgreSQL is away: then nothing was written, or the leases run out.
    """
    arriving = arriving_jobs(message, celery_id, process.settings)
    known = [job.id for job in message.jobs if job.id is not None]
    with process.statements.direct() as run:
        leases = ledger.claim(run, arriving, known, process.settings.lease_s)
    slot = process.guards.slot
    slot.hold(held(leases))
    try:
        outcome = score_held(process, leases) if leases else Outcome()
        written = write(process, outcome)
    finally:
        slot.clear()
    outcome.refused = sum(job.error is not None for job in arriving)
    outcome.skipped = len(message.jobs) - len(leases) - outcome.refused
    outcome.answered = [entry for entry in outcome.finished if entry.id in written]
    if outcome.answered:
        outcome.beside = score_with_shadow(process, leases, outcome.answered)
    return outcome


def score_held(process: Process, leases: list[Lease]) -> Outcome:
    """Score with what served at the claim, while the keeper renews the leases."""
    outcome = Outcome()

    def score() -> Outcome:
        answering = process.live_model.answering(leases[0].serving)
        return score_leases(answering, leases, process.guards, outcome)

    if process.keeper is None:
        return score()

    def abandon() -> None:
        log.warning("the text in hand takes too long to stop for, and is given back")
        with suppress(DBAPIError):
            write(process, cut_short(outcome, leases))
            process.guards.slot.clear()
        # What could not be written is the parent's to give back, or runs out.
        os._exit(0)

    with process.keeper.keeping(held(leases), abandon):
        return score()


def cut_short(outcome: Outcome, leases: list[Lease]) -> Outcome:
    """What is settled by now; the text in hand goes back with those not begun."""
    finished, rejected, failed = outcome.finished[:], outcome.rejected[:], outcome.failed[:]
    settled = {answer.id for answer in finished}
    settled |= {lease.id for lease, _ in rejected + failed}
    returned = [lease for lease in leases if lease.id not in settled]
    return Outcome(finished=finished, rejected=rejected, failed=failed, returned=returned)


def held(leases: list[Lease]) -> list[tuple[uuid.UUID, int]]:
    return [(lease.id, lease.fence) for lease in leases]


def write(process: Process, outcome: Outcome) -> set[uuid.UUID]:
    """Write what became of the leased texts, tried again where that may help.

    Returns whose answers it wrote. What a try has written, the fences keep from the next.
    """
    started, tries = monotonic(), 0
    written: set[uuid.UUID] = set()
    while True:
        try:
            with process.statements.direct() as run:
                written |= ledger.finish(run, outcome.finished)
                for lease, reason in outcome.rejected:
                    ledger.reject(run, lease, reason)
                for lease, reason in outcome.failed:
                    ledger.release(run, lease, reason, process.settings.max_attempts)
                return_unstarted(run, held(outcome.returned))
            outcome.scored = len(written)
            return written
        except DBAPIError as error:
            draining = process.guards.drain.begun()
            patience_s = WRITE_PATIENCE_DRAINING_S if draining else WRITE_PATIENCE_S
            if not is_transient(error) or monotonic() - started > patience_s:
                raise
            log.warning("the scores wait to be written: %s", error.orig)
            sleep(min(LONGEST_PAUSE_S, backoff_s(tries)))
            tries += 1


def arriving_jobs(message: ScoreMessage, celery_id: str, settings: Settings) -> list[NewJob]:
    """The jobs for the texts a message brought; a keyless one is known by message and position."""
    return [
        new_job(
            job.text,
            source=message.source,
            max_chars=settings.max_text_chars,
            key=job.key,
            deadline=job.deadline,
            job_id=message_job_id(celery_id, position),
        )
        for position, job in enumerate(message.jobs)
        if job.text is not None
    ]


def score_leases(
    answering: Scorers,
    leases: list[Lease],
    guards: Guards | None = None,
    outcome: Outcome | None = None,
) -> Outcome:
    """Score each text by itself; one that fails says why and leaves the others alone.

    Told to drain, it finishes the text in hand and returns the rest. `outcome` grows as it goes.
    """
    guards = guards or Guards()
    outcome = outcome or Outcome()
    claimed_at = perf_counter()
    for position, lease in enumerate(leases):
        if guards.drain.begun():
            outcome.returned = leases[position:]
            break
        queue_ms = lease.queue_ms + 1000.0 * (perf_counter() - claimed_at)
        guards.begin(position)
        try:
            score = answering.scorer(lease.id).score(lease.text)
        except TextRefused as refusal:
            outcome.rejected.append((lease, str(refusal)))
        except MemoryError:
            told = metrics.error(ErrorKind.MEMORY) | {"job_id": lease.id}
            log.error("job %s could not be scored: no memory", lease.id, extra=told)
            outcome.failed.append((lease, "it needs more memory than a worker process may take"))
        except Exception as error:
            told = metrics.error(ErrorKind.MODEL) | {"job_id": lease.id}
            log.exception("job %s could not be scored", lease.id, extra=told)
            outcome.failed.append((lease, f"{type(error).__name__}: {error}"))
        else:
            outcome.finished.append(answer(lease, score, queue_ms))
        finally:
            guards.end()
    return outcome
