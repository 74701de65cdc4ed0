import json
import uuid
from pathlib import Path

import pytest
from numpy import int32
from numpy.typing import NDArray

from plumbline.messages import ScoreMessage
from plumbline.settings import Settings
from plumbline_client.identity import keyed_id, message_job_id
from plumbline_client.new_job import text_hash
from scoring.artifact.artifact import Artifact
from scoring.runtime.fakes import ConstantRuntime, FailingRuntime, SumRuntime
from scoring.runtime.protocol import Runtime
from scoring.scorer import Scorer
from storage.jobs.claim import Lease
from tests.artifacts import write_artifact
from worker.pool.loaded_models import Scorers
from worker.pool.process import Guards
from worker.processing.score_message import Delivery, arriving_jobs, score_leases
from worker.processing.slices import Slice


@pytest.fixture
def artifact(tmp_path: Path) -> Artifact:
    return Artifact.load(write_artifact(tmp_path))


def make_scorer(artifact: Artifact, runtime: Runtime | None = None) -> Scorer:
    return Scorer(artifact, runtime or ConstantRuntime(), max_chars=20)


def make_lease(text: str, queue_ms: float = 0.0) -> Lease:
    return Lease(uuid.uuid4(), 7, text, (), queue_ms)


def make_message(*jobs: dict[str, object]) -> ScoreMessage:
    return ScoreMessage.parse({"version": 1, "source": "shop", "jobs": list(jobs)})


def test_an_arriving_text_is_identified_by_key_or_by_message_and_position() -> None:
    known = str(uuid.uuid4())
    message = make_message({"id": known}, {"text": "one"}, {"text": "two", "key": "k"})
    jobs = arriving_jobs(Slice(0, message), Delivery("m"), Settings())
    assert [job.id for job in jobs] == [
        message_job_id("m", "shop", text_hash("one"), 1),
        keyed_id("shop", "k"),
    ]
    assert {job.source for job in jobs} == {"shop"}


def test_a_repeated_message_is_the_same_jobs_and_another_message_is_not() -> None:
    message = make_message({"text": "one"})
    first, repeated, other = (
        arriving_jobs(Slice(0, message), Delivery(celery_id), Settings())[0].id
        for celery_id in ("m", "m", "n")
    )
    assert first == repeated != other


def test_a_text_longer_than_the_setting_is_refused_on_arrival() -> None:
    message = make_message({"text": "too long"})
    (job,) = arriving_jobs(Slice(0, message), Delivery("m"), Settings(max_text_chars=3))
    assert job.error == "the text has 8 characters, and at most 3 are accepted"


def test_each_text_is_scored_by_itself(artifact: Artifact) -> None:
    runtime = ConstantRuntime()
    leases = [make_lease("win"), make_lease("a prize")]
    outcome = score_leases(Scorers(make_scorer(artifact, runtime)), leases)
    assert len(runtime.seen) == 2
    assert [prediction.id for prediction in outcome.predictions] == [lease.id for lease in leases]
    assert {prediction.fence for prediction in outcome.predictions} == {7}
    assert outcome.rejected == outcome.failed == []


def test_texts_are_scored_by_length_and_their_predictions_stay_in_order(artifact: Artifact) -> None:
    runtime = ConstantRuntime()
    texts = ["win a prize", "x" * 21, "six", "you", "see you", "at"]
    leases = [make_lease(text) for text in texts]
    outcome = score_leases(Scorers(make_scorer(artifact, runtime)), leases)
    assert [len(window) for window in runtime.seen] == [3, 3, 3, 4, 5]
    scored = [lease for lease in leases if lease.text != "x" * 21]
    assert [prediction.id for prediction in outcome.predictions] == [lease.id for lease in scored]
    assert [lease for lease, _ in outcome.rejected] == [leases[1]]


class DrainedBy(ConstantRuntime):
    """Begins a drain with a text of this many tokens."""

    def __init__(self, guards: Guards, tokens: int) -> None:
        super().__init__()
        self.guards, self.tokens = guards, tokens
        self.positions: list[int | None] = []

    def logit(self, token_ids: NDArray[int32], threads: int = 1) -> float:
        self.positions.append(self.guards.in_flight.read().scoring)
        if len(token_ids) == self.tokens:
            self.guards.drain.begin()
        return super().logit(token_ids, threads)


def test_drain_returns_the_longer_texts_and_the_record_names_the_text_in_flight(
    artifact: Artifact,
) -> None:
    guards = Guards()
    runtime = DrainedBy(guards, tokens=4)
    leases = [make_lease(text) for text in ("win a prize", "see you", "six", "at six you see")]
    guards.in_flight.record_leases([(lease.id, lease.fence) for lease in leases])
    outcome = score_leases(Scorers(make_scorer(artifact, runtime)), leases, guards)
    assert runtime.positions == [2, 1]
    assert [prediction.id for prediction in outcome.predictions] == [leases[1].id, leases[2].id]
    assert outcome.returned == [leases[0], leases[3]]
    assert guards.in_flight.read().scoring is None


def test_a_text_whose_length_cannot_be_found_affects_no_other(artifact: Artifact) -> None:
    class Unreadable(Scorer):
        def window_tokens(self, text: str) -> int:
            raise MemoryError

    leases = [make_lease("win"), make_lease("six")]
    outcome = score_leases(Scorers(Unreadable(artifact, ConstantRuntime())), leases)
    assert [prediction.id for prediction in outcome.predictions] == [lease.id for lease in leases]


def test_a_prediction_has_the_fields_of_the_score(artifact: Artifact) -> None:
    lease = make_lease("win a prize", queue_ms=40.0)
    scorer = make_scorer(artifact, SumRuntime())
    (prediction,) = score_leases(Scorers(scorer), [lease]).predictions
    score = scorer.score("win a prize")
    assert (prediction.probability, prediction.label, prediction.model) == (
        score.probability, score.label, "tiny/1.0.0"
    )  # fmt: skip
    assert prediction.features == score.features
    assert prediction.ranked == [{"label": score.label, "probability": score.ranked[0].probability}]
    assert prediction.queue_ms >= 40.0 and prediction.score_ms > 0.0
    json.dumps(prediction.ranked)


def test_time_behind_other_texts_of_the_message_counts_as_time_in_the_queue(
    artifact: Artifact,
) -> None:
    scorers = Scorers(make_scorer(artifact))
    first, second = score_leases(scorers, [make_lease("win"), make_lease("win")]).predictions
    assert second.queue_ms > first.queue_ms


def test_a_rejected_text_does_not_affect_its_neighbours(artifact: Artifact) -> None:
    leases = [make_lease("win"), make_lease("x" * 21), make_lease("six")]
    outcome = score_leases(Scorers(make_scorer(artifact)), leases)
    assert len(outcome.predictions) == 2
    assert outcome.rejected == [
        (leases[1], "the text has 21 characters, and at most 20 are accepted")
    ]


def test_a_failure_of_the_model_is_recorded_with_its_reason(artifact: Artifact) -> None:
    lease = make_lease("win")
    outcome = score_leases(Scorers(make_scorer(artifact, FailingRuntime())), [lease])
    assert outcome.failed == [(lease, "The model failed, as this fake always does.")]
    assert outcome.predictions == []
