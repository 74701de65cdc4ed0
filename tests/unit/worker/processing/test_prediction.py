from __future__ import annotations

import json
import uuid

from scoring.score import Decision, RankedLabel, Score
from storage.jobs.claim import Lease
from worker.processing.prediction import to_prediction

SCORE = Score(
    probability=0.9,
    label="spam",
    confidence=0.9,
    decision=Decision.POSITIVE,
    ranked=(RankedLabel("spam", 0.9), RankedLabel("ham", 0.1)),
    tokens=7,
    windows=2,
    window_rule="mean",
    tokenize_ms=0.5,
    infer_ms=3.0,
    features={"chars": 12.0},
    notes=("mostly_unread",),
    model="tiny/1.0.0",
)


def test_a_prediction_has_the_lease_and_every_value_of_the_score() -> None:
    lease = Lease(uuid.uuid4(), 7, "win a prize", (), queue_ms=20.0)
    prediction = to_prediction(lease, SCORE, queue_ms=40.0)
    assert (prediction.id, prediction.fence) == (lease.id, 7)
    same = ("probability", "label", "confidence", "tokens", "windows", "window_rule", "features")
    assert [getattr(prediction, name) for name in same] == [getattr(SCORE, name) for name in same]
    assert prediction.model == "tiny/1.0.0"
    assert prediction.notes == ["mostly_unread"]
    assert prediction.queue_ms == 40.0, "the lease's own time is only that until the claim"
    assert prediction.score_ms == 3.5


def test_decision_and_ranking_are_written_as_json() -> None:
    prediction = to_prediction(Lease(uuid.uuid4(), 1, "", (), 0.0), SCORE, queue_ms=0.0)
    assert type(prediction.decision) is str and prediction.decision == "positive"
    assert json.loads(json.dumps(prediction.ranked)) == [
        {"label": "spam", "probability": 0.9},
        {"label": "ham", "probability": 0.1},
    ]
