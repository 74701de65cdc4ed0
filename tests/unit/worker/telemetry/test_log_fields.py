from tests.answers import answer
from worker.processing.score_message import Outcome
from worker.processing.shadow import ShadowOutcome
from worker.telemetry import log_fields
from worker.telemetry.logs import FIELDS


def test_a_message_tells_its_counts_and_the_means_of_its_texts() -> None:
    answers = [
        answer(model="b/1.0.0", tokens=10, queue_ms=20.0, score_ms=3.0),
        answer(model="a/1.0.0", tokens=5, queue_ms=40.0, score_ms=6.0),
    ]
    outcome = Outcome(
        scored=2, refused=1, skipped=4, finished=answers, answered=answers, beside=ShadowOutcome(2, 1)
    )
    assert log_fields.fields("m", "shop", outcome, 0.5) == {
        "message_id": "m",
        "source": "shop",
        "models": ["a/1.0.0", "b/1.0.0"],
        "scored": 2,
        "rejected": 1,
        "failed": 0,
        "elsewhere": 4,
        "returned": 0,
        "shadow_scored": 2,
        "shadow_failed": 1,
        "chunk_ms": 500.0,
        "score_ms": 4.5,
        "queue_ms": 30.0,
        "tokens": 15,
    }


def test_a_message_without_answers_has_no_means() -> None:
    told = log_fields.fields("m", "shop", Outcome(refused=1), 0.5)
    assert told.keys().isdisjoint({"score_ms", "queue_ms"})


def test_every_field_is_one_the_log_shows() -> None:
    answers = [answer(model="a/1.0.0", tokens=5, queue_ms=40.0, score_ms=6.0)]
    outcome = Outcome(scored=1, finished=answers, answered=answers)
    assert set(log_fields.fields("m", "shop", outcome, 0.5)) <= set(FIELDS)
