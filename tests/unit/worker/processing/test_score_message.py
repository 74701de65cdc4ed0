import json
import uuid
from pathlib import Path

import pytest

from plumbline.messages import ScoreMessage
from plumbline.settings import Settings
from plumbline_client.identity import keyed_id, message_job_id
from scoring.artifact.artifact import Artifact
from scoring.runtime.fakes import ConstantRuntime, FailingRuntime, SumRuntime
from scoring.runtime.protocol import Runtime
from scoring.scorer import Scorer
from storage.jobs.ledger import Lease
from tests.artifacts import write_artifact
from worker.pool.loaded_models import Scorers
from worker.processing.score_message import arriving_jobs, score_leases


@pytest.fixture
def artifact(tmp_path: Path) -> Artifact:
    return Artifact.load(write_artifact(tmp_path))


def scorer(artifact: Artifact, runtime: Runtime | None = None) -> Scorer:
    return Scorer(artifact, runtime or ConstantRuntime(), max_chars=20)


def lease(text: str, queue_ms: float = 0.0) -> Lease:
    return Lease(uuid.uuid4(), 7, text, (), queue_ms)


def message(*jobs: dict[str, object]) -> ScoreMessage:
    return ScoreMessage.parse({"version": 1, "source": "shop", "jobs": list(jobs)})


def test_arriving_texts_are_known_by_key_or_by_message_and_position() -> None:
    known = str(uuid.uuid4())
    jobs = arriving_jobs(
        message({"id": known}, {"text": "one"}, {"text": "two", "key": "k"}), "m", Settings()
    )
    assert [job.id for job in jobs] == [message_job_id("m", 1), keyed_id("shop", "k")]
    assert {job.source for job in jobs} == {"shop"}


def test_the_same_message_is_the_same_jobs_and_another_is_not() -> None:
    text = message({"text": "one"})
    first, again, other = (arriving_jobs(text, name, Settings())[0].id for name in ("m", "m", "n"))
    assert first == again != other


def test_a_text_over_the_setting_arrives_refused() -> None:
    (job,) = arriving_jobs(message({"text": "too long"}), "m", Settings(max_text_chars=3))
    assert job.error == "the text has 8 characters, and at most 3 are accepted"


def test_each_text_is_scored_by_itself(artifact: Artifact) -> None:
    runtime = ConstantRuntime()
    leases = [lease("win"), lease("a prize")]
    outcome = score_leases(Scorers(scorer(artifact, runtime)), leases)
    assert len(runtime.seen) == 2
    assert [answer.id for answer in outcome.finished] == [entry.id for entry in leases]
    assert {answer.fence for answer in outcome.finished} == {7}
    assert outcome.rejected == outcome.failed == []


def test_an_answer_is_the_score_as_the_ledger_keeps_it(artifact: Artifact) -> None:
    held = lease("win a prize", queue_ms=40.0)
    fake = scorer(artifact, SumRuntime())
    (answer,) = score_leases(Scorers(fake), [held]).finished
    score = fake.score("win a prize")
    assert (answer.probability, answer.label, answer.model) == (
        score.probability, score.label, "tiny/1.0.0"
    )  # fmt: skip
    assert answer.features == score.features
    assert answer.ranked == [{"label": score.label, "probability": score.ranked[0].probability}]
    assert answer.queue_ms >= 40.0 and answer.score_ms > 0.0
    json.dumps(answer.ranked)


def test_what_waits_behind_other_texts_has_waited_longer(artifact: Artifact) -> None:
    first, second = score_leases(Scorers(scorer(artifact)), [lease("win"), lease("win")]).finished
    assert second.queue_ms > first.queue_ms


def test_a_text_that_cannot_be_scored_leaves_its_neighbours_alone(artifact: Artifact) -> None:
    leases = [lease("win"), lease("x" * 21), lease("six")]
    outcome = score_leases(Scorers(scorer(artifact)), leases)
    assert len(outcome.finished) == 2
    assert outcome.rejected == [
        (leases[1], "the text has 21 characters, and at most 20 are accepted")
    ]


def test_a_model_that_fails_gives_the_reason(artifact: Artifact) -> None:
    held = lease("win")
    outcome = score_leases(Scorers(scorer(artifact, FailingRuntime())), [held])
    assert outcome.failed == [(held, "ScoringError: The model failed, as this fake always does.")]
    assert outcome.finished == []
