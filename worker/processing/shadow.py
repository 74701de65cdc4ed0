"""Scoring with the shadow version, after the live predictions are written. It changes no result.

Shadow scores that a drain or a crash interrupts are not made up for.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence

from plumbline.system_errors import reason_without_quotes
from scoring.scorer import Scorer
from storage.jobs.claim import Lease
from storage.jobs.predictions import NewPrediction
from storage.serving import shadow
from worker.pool.process import Guards, WorkerProcess
from worker.processing.outcome import ShadowOutcome
from worker.processing.prediction import to_prediction
from worker.telemetry.metrics import ErrorKind
from worker.telemetry.redaction import WITHHOLD

log = logging.getLogger(__name__)


def score_with_shadow(
    process: WorkerProcess,
    leases: Sequence[Lease],
    predictions: Sequence[NewPrediction],
) -> ShadowOutcome:
    """Score the texts of these live predictions with the shadow. Never raises.

    Texts that the same version scored as the canary are left out.
    """
    outcome = ShadowOutcome()
    serving = leases[0].serving
    if serving is None or serving.shadow is None or process.guards.drain.begun():
        return outcome
    by_id = {lease.id: lease for lease in leases}
    to_score = [(by_id[p.id], p.queue_ms) for p in predictions if p.model != serving.shadow]
    try:
        scorer = process.models.shadow_scorer(serving)
        if scorer is not None and to_score:
            scores = score_all(process, scorer, to_score, outcome)
            with process.engine.begin() as connection:
                outcome.scored = shadow.write(connection, scores)
    except Exception:
        outcome.failed = len(to_score)
        log.exception(
            "the shadow %s left %d texts unscored",
            serving.shadow,
            len(to_score),
            extra={WITHHOLD: True},
        )
    return outcome


def score_all(
    process: WorkerProcess,
    scorer: Scorer,
    to_score: Sequence[tuple[Lease, float]],
    outcome: ShadowOutcome,
) -> list[NewPrediction]:
    """Return the scores; a drain that waits too long for a slow text ends the process."""
    if process.lease_renewal is None:
        return score_each(scorer, to_score, process.guards, outcome)
    with process.lease_renewal.renewing((), lambda: os._exit(0)):
        return score_each(scorer, to_score, process.guards, outcome)


def score_each(
    scorer: Scorer,
    to_score: Sequence[tuple[Lease, float]],
    guards: Guards,
    outcome: ShadowOutcome,
) -> list[NewPrediction]:
    """Return the scores, up to the text at which a drain begins."""
    scores = []
    for lease, queue_ms in to_score:
        if guards.drain.begun():
            break
        guards.watchdog.arm()
        try:
            scores.append(to_prediction(lease, scorer.score(lease.text), queue_ms))
        except Exception as error:
            outcome.failed += 1
            fields = {"job_id": lease.id, "kind": ErrorKind.SHADOW}
            reason = reason_without_quotes(error)
            log.warning(
                "the shadow %s cannot score job %s: %s",
                scorer.name,
                lease.id,
                reason,
                extra=fields,
            )
        finally:
            guards.watchdog.disarm()
    return scores
