import uuid

from storage.ledger import Finished
from worker import performance
from worker.logs import FIELDS
from worker.score_message import Outcome
from worker.shadow import Beside


def finished(model: str, tokens: int, queue_ms: float, score_ms: float) -> Finished:
    return Finished(
        id=uuid.uuid4(), fence=1, model=model, probability=0.5, label="ham", confidence=0.5,
        decision="review", ranked=[], tokens=tokens, windows=1, window_rule="max", features={},
        queue_ms=queue_ms, score_ms=score_ms,
    )  # fmt: skip


def test_a_message_tells_its_counts_and_the_means_of_its_texts() -> None:
    answers = [finished("b/1.0.0", 10, 20.0, 3.0), finished("a/1.0.0", 5, 40.0, 6.0)]
    outcome = Outcome(
        scored=2, refused=1, skipped=4, finished=answers, answered=answers, beside=Beside(2, 1)
    )
    assert performance.fields("m", "shop", outcome, 0.5) == {
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
    told = performance.fields("m", "shop", Outcome(refused=1), 0.5)
    assert told.keys().isdisjoint({"score_ms", "queue_ms"})


def test_every_field_is_one_the_log_shows() -> None:
    answers = [finished("a/1.0.0", 5, 40.0, 6.0)]
    outcome = Outcome(scored=1, finished=answers, answered=answers)
    assert set(performance.fields("m", "shop", outcome, 0.5)) <= set(FIELDS)
