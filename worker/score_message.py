"""The way of one message: claim, score one by one, finish in one transaction."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass, field
from time import perf_counter, sleep

from sqlalchemy.exc import DBAPIError

from plumbline.intake import new_job
from plumbline.messages import Message
from plumbline.settings import Settings
from scoring.errors import TextRefused
from scoring.score import Score
from scoring.scorer import Scorer
from storage import deployments, ledger
from storage.database import is_transient
from storage.identity import message_id
from storage.ledger import Finished, Lease, NewJob
from worker.backoff import backoff_s
from worker.process import Process

log = logging.getLogger(__name__)
# A message's lease grows with its texts: about ten times what the largest model takes for a window
# of 512 tokens, some 2,000 characters.
LEASE_S_PER_TEXT = 1.0
LEASE_S_PER_CHAR = 0.0005
# Scores at hand are worth several tries; together these take at most 16 s, well within a lease.
WRITE_TRIES = 6


@dataclass(slots=True)
class Outcome:
    """What became of a message's texts. `refused` were so on arrival, `rejected` when scored.

    `skipped` were done, held or ended elsewhere.
    """

    scored: int = 0
    refused: int = 0
    skipped: int = 0
    finished: list[Finished] = field(default_factory=list)
    rejected: list[tuple[Lease, str]] = field(default_factory=list)
    failed: list[tuple[Lease, str]] = field(default_factory=list)


def score_message(process: Process, message: Message, celery_id: str) -> Outcome:
    """Score what of the message is still to be done.

    Safe to call any number of times with the same message, at once or one after the other. Raises
    DBAPIError if PostgreSQL is away: then nothing was written, or the leases run out.
    """
    arriving = arriving_jobs(message, celery_id, process.settings)
    known = [job.id for job in message.jobs if job.id is not None]
    lease_s = process.settings.lease_s + LEASE_S_PER_TEXT * len(message.jobs)
    with process.engine.begin() as connection:
        scorer = process.live_model.scorer(deployments.live_model(connection))
        leases = ledger.claim(connection, arriving, known, lease_s, LEASE_S_PER_CHAR)
    outcome = score_leases(scorer, leases)
    write(process, outcome)
    outcome.refused = sum(job.error is not None for job in arriving)
    outcome.skipped = len(message.jobs) - len(leases) - outcome.refused
    return outcome


def write(process: Process, outcome: Outcome) -> None:
    """Write what became of the leased texts, in one transaction, tried again where that may help.

    If the commit happened but its answer was lost, the fences make the next try change nothing.
    """
    for tries in range(WRITE_TRIES):
        try:
            with process.engine.begin() as connection:
                outcome.scored = len(ledger.finish(connection, outcome.finished))
                for lease, reason in outcome.rejected:
                    ledger.reject(connection, lease, reason)
                for lease, reason in outcome.failed:
                    ledger.release(connection, lease, reason)
            return
        except DBAPIError as error:
            if not is_transient(error) or tries == WRITE_TRIES - 1:
                raise
            log.warning("the scores wait to be written: %s", error.orig)
            sleep(backoff_s(tries))


def arriving_jobs(message: Message, celery_id: str, settings: Settings) -> list[NewJob]:
    """The jobs for the texts a message brought; a keyless one is known by message and position."""
    return [
        new_job(
            job.text,
            source=message.source,
            max_chars=settings.max_text_chars,
            key=job.key,
            deadline=job.deadline,
            job_id=message_id(celery_id, position),
        )
        for position, job in enumerate(message.jobs)
        if job.text is not None
    ]


def score_leases(scorer: Scorer, leases: list[Lease]) -> Outcome:
    """Score each text by itself; one that fails says why and leaves the others alone."""
    outcome = Outcome()
    claimed_at = perf_counter()
    for lease in leases:
        queue_ms = lease.queue_ms + 1000.0 * (perf_counter() - claimed_at)
        try:
            score = scorer.score(lease.text)
        except TextRefused as refusal:
            outcome.rejected.append((lease, str(refusal)))
        except Exception as error:
            log.exception("job %s could not be scored", lease.id)
            outcome.failed.append((lease, f"{type(error).__name__}: {error}"))
        else:
            outcome.finished.append(answer(lease, score, queue_ms))
    return outcome


def answer(lease: Lease, score: Score, queue_ms: float) -> Finished:
    return Finished(
        id=lease.id,
        fence=lease.fence,
        model=score.model,
        probability=score.probability,
        label=score.label,
        confidence=score.confidence,
        decision=str(score.decision),
        ranked=[asdict(entry) for entry in score.ranked],
        tokens=score.tokens,
        windows=score.windows,
        window_rule=score.window_rule,
        features=score.features,
        queue_ms=queue_ms,
        score_ms=score.score_ms,
    )
