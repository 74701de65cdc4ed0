import json
import uuid
from pathlib import Path

import pytest

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
