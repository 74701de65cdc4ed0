"""Scores with the shadow what has just been answered. Whatever happens here changes no answer.

A score that is lost on the way, to a drain or with its process, is not made up for.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass

from scoring.scorer import Scorer
from storage.jobs.ledger import Lease, NewPrediction
from storage.serving import shadow
from worker.pool.process import Guards, Process
from worker.processing.prediction import answer
from worker.telemetry.metrics import ErrorKind

log = logging.getLogger(__name__)


@dataclass(slots=True)
class ShadowOutcome:
    """What became of a message's texts in the shadow: scores kept, and texts it could not score."""

    scored: int = 0
    failed: int = 0


def score_with_shadow(
    process: Process,
    leases: Sequence[Lease],
    answers: Sequence[NewPrediction],
) -> ShadowOutcome:
    """Score the answered ones of a message's leases, and keep the scores. Raises nothing.

    What the shadow's own version answered, as the canary, is not scored by it again.
    """
    beside = ShadowOutcome()
    serving = leases[0].serving
    if serving is None or serving.shadow is None or process.guards.drain.begun():
        return beside
    texts = {lease.id: lease for lease in leases}
    answered = [(texts[a.id], a.queue_ms) for a in answers if a.model != serving.shadow]
    try:
        scorer = process.live_model.shadow(serving)
        if scorer is not None and answered:
            scores = score_all(process, scorer, answered, beside)
            with process.engine.begin() as connection:
                beside.scored = shadow.write(connection, scores)
    except Exception:
        beside.failed = len(answered)
        log.exception("the shadow %s left %d texts without a score", serving.shadow, len(answered))
    return beside


def score_all(
    process: Process, scorer: Scorer, answered: Sequence[tuple[Lease, float]], beside: ShadowOutcome
) -> list[NewPrediction]:
    if process.keeper is None:
        return score_each(scorer, answered, process.guards, beside)
    # Nothing is held, but a text that takes long must not hold up a drain.
    with process.keeper.keeping((), lambda: os._exit(0)):
        return score_each(scorer, answered, process.guards, beside)


def score_each(
    scorer: Scorer, answered: Sequence[tuple[Lease, float]], guards: Guards, beside: ShadowOutcome
) -> list[NewPrediction]:
    """The scores, until told to drain."""
    scores = []
    for lease, queue_ms in answered:
        if guards.drain.begun():
            break
        guards.watchdog.arm()
        try:
            scores.append(answer(lease, scorer.score(lease.text), queue_ms))
        except Exception as error:
            beside.failed += 1
            told = {"job_id": lease.id, "kind": ErrorKind.SHADOW}
            log.warning(
                "the shadow %s cannot score job %s: %r", scorer.name, lease.id, error, extra=told
            )
        finally:
            guards.watchdog.disarm()
    return scores
