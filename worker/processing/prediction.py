"""A model's score of a leased text, in the form the ledger stores."""

from __future__ import annotations

from scoring.score import Score
from storage.jobs.claim import Lease
from storage.jobs.predictions import NewPrediction


def to_prediction(lease: Lease, score: Score, queue_ms: float) -> NewPrediction:
    return NewPrediction(
        id=lease.id,
        fence=lease.fence,
        model=score.model,
        probability=score.probability,
        label=score.label,
        confidence=score.confidence,
        decision=str(score.decision),
        ranked=[{"label": r.label, "probability": r.probability} for r in score.ranked],
        tokens=score.tokens,
        windows=score.windows,
        window_rule=score.window_rule,
        features=score.features,
        notes=list(score.notes),
        queue_ms=queue_ms,
        score_ms=score.score_ms,
    )
