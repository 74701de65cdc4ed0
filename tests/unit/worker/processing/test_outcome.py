from __future__ import annotations

import uuid

from storage.jobs.claim import Lease
from tests.predictions import new_prediction
from worker.processing.outcome import MessageOutcome


def test_predictions_that_did_not_reach_the_ledger_are_not_scored() -> None:
    written, late = new_prediction(), new_prediction()
    outcome = MessageOutcome(predictions=[written, late], written=[written])
    assert outcome.scored == 1


def test_texts_rejected_on_arrival_and_during_scoring_are_counted_together() -> None:
    lease = Lease(uuid.uuid4(), 1, "text", (), 0.0)
    outcome = MessageOutcome(refused=2, rejected=[(lease, "the text is empty")])
    assert outcome.rejected_count == 3
    assert outcome.scored == 0


def test_outcomes_share_no_lists() -> None:
    first, second = MessageOutcome(), MessageOutcome()
    first.predictions.append(new_prediction())
    first.shadow.scored += 1
    assert second == MessageOutcome()
