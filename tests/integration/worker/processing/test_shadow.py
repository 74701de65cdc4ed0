"""Shadow scoring on a real PostgreSQL: it neither delays nor changes a result."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, Row, text

from plumbline.messages import ScoreMessage
from plumbline.settings import Settings
from plumbline_client.services import Services
from scoring.artifact.artifact import Artifact
from scoring.artifact.trust import Trust
from scoring.runtime.fakes import ConstantRuntime, FailingRuntime
from scoring.runtime.protocol import Runtime
from scoring.scorer import Scorer
from storage.direct import PersistentConnection
from storage.serving import deployments
from storage.serving.deployments import in_canary_share
from tests.artifacts import version_record, write_artifact
from worker.pool.drain import Drain
from worker.pool.loaded_models import LoadedModels
from worker.pool.process import Guards, WorkerProcess
from worker.processing.outcome import MessageOutcome
from worker.processing.score_message import Delivery, score_message

LIVE, SHADOW = "tiny/1.0.0", "tiny/1.1.0"


class CallbackRuntime:
    """A runtime that calls `callback` at each text, except for the warm-up."""

    def __init__(self, callback: Callable[[], object]) -> None:
        self._callback = callback
        self.runs = 0

    def logit(self, *_: object) -> float:
        self.runs += 1
        if self.runs > 1:
            self._callback()
        return 2.0


class Scene:
    """A process with LIVE and SHADOW deployed. Tests choose the runtime of each version."""

    def __init__(
        self, database_url: str, engine: Engine, connection: PersistentConnection, folder: Path
    ) -> None:
        self.engine = engine
        self.runtimes: dict[str, Runtime] = {"1.0.0": ConstantRuntime(), "1.1.0": ConstantRuntime()}
        for version in self.runtimes:
            write_artifact(folder, "tiny", version)
        self.guards = Guards(Drain())
        self.process = WorkerProcess(
            Settings(),
            Services(database_url, "redis://unused"),
            engine,
            connection,
            LoadedModels(folder, LIVE, self._load),
            self.guards,
        )
        with engine.begin() as transaction:
            for model in (SHADOW, LIVE):
                record = version_record(folder, model)
                deployments.promote(transaction, record, deployed_by="", reason="")
            deployments.set_shadow(transaction, SHADOW, deployed_by="", reason="")

    def _load(self, folder: Path, trust: Trust) -> Scorer:
        return Scorer(Artifact.load(folder, trust), self.runtimes[folder.name])

    def score(self, *texts: str, celery_id: str = "m") -> MessageOutcome:
        arguments = {"version": 1, "jobs": [{"text": text} for text in texts]}
        message = ScoreMessage.parse(arguments)
        return score_message(self.process, message, Delivery(celery_id))

    def predictions(self) -> list[Row[Any]]:
        query = "SELECT job_id, role, model, probability, queue_ms FROM plumbline.predictions"
        with self.engine.connect() as connection:
            return list(connection.execute(text(f"{query} ORDER BY role, job_id")))

    def roles_and_models(self) -> list[tuple[str, str]]:
        return [(row.role, row.model) for row in self.predictions()]

    def states(self) -> list[str]:
        with self.engine.connect() as connection:
            return sorted(connection.execute(text("SELECT state FROM plumbline.jobs")).scalars())


@pytest.fixture
def scene(
    database_url: str, engine: Engine, persistent_connection: PersistentConnection, tmp_path: Path
) -> Scene:
    return Scene(database_url, engine, persistent_connection, tmp_path)


def test_the_shadow_scores_each_live_prediction_once(scene: Scene) -> None:
    scene.runtimes["1.1.0"] = ConstantRuntime(2.0)
    outcome = scene.score("win", "a prize", " ")
    assert (outcome.scored, outcome.refused, outcome.shadow.scored) == (2, 1, 2)
    rows = scene.predictions()
    live, shadow = rows[:2], rows[2:]
    assert {(row.role, row.model) for row in live} == {("live", LIVE)}
    assert [(row.role, row.model) for row in shadow] == [("shadow", SHADOW)] * 2
    assert [row.job_id for row in live] == [row.job_id for row in shadow]
    assert {round(row.probability, 2) for row in shadow} == {0.88}
    assert [row.queue_ms for row in live] == [row.queue_ms for row in shadow]
    with scene.engine.connect() as connection:
        models = connection.execute(text("SELECT model FROM plumbline.results")).scalars()
        assert set(models) == {LIVE, None}
    assert scene.score("win", "a prize", " ").shadow.scored == 0, "the message is a repetition"
    assert scene.predictions() == rows


def test_live_predictions_are_written_before_the_shadow_starts(scene: Scene) -> None:
    observed = []
    scene.runtimes["1.1.0"] = CallbackRuntime(
        lambda: observed.append((scene.states(), scene.roles_and_models()))
    )
    scene.score("win", "six")
    assert observed == [(["scored", "scored"], [("live", LIVE)] * 2)] * 2


def test_a_failing_shadow_changes_no_result(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise MemoryError

    scene.runtimes["1.1.0"] = CallbackRuntime(fail)
    outcome = scene.score("win", "six")
    assert (outcome.scored, outcome.shadow.scored, outcome.shadow.failed) == (2, 0, 2)
    assert scene.roles_and_models() == [("live", LIVE)] * 2
    assert caplog.text.count("the shadow tiny/1.1.0 cannot score job") == 2


def test_a_shadow_that_cannot_be_loaded_changes_no_result(scene: Scene) -> None:
    scene.runtimes["1.1.0"] = FailingRuntime()
    assert scene.score("win").scored == 1
    assert scene.roles_and_models() == [("live", LIVE)]


def test_shadow_scores_that_cannot_be_written_change_no_result(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    def forbid_shadow_rows() -> None:
        with scene.engine.begin() as connection:
            connection.execute(
                text("ALTER TABLE plumbline.predictions ADD CHECK (role = 'live') NOT VALID")
            )

    scene.runtimes["1.1.0"] = CallbackRuntime(forbid_shadow_rows)
    outcome = scene.score("win")
    assert (outcome.scored, outcome.shadow.scored, outcome.shadow.failed) == (1, 0, 1)
    assert (scene.states(), scene.roles_and_models()) == (["scored"], [("live", LIVE)])
    assert "the shadow tiny/1.1.0 left 1 texts unscored" in caplog.text


def test_a_text_scored_by_the_canary_is_not_scored_again_by_the_same_version_as_shadow(
    scene: Scene,
) -> None:
    with scene.engine.begin() as connection:
        deployments.set_canary(connection, SHADOW, 0.5, deployed_by="", reason="")
    scene.score(*(f"win {n}" for n in range(40)))
    rows = scene.predictions()
    by_canary = {row.job_id for row in rows if row.role == "live" and row.model == SHADOW}
    by_live = {row.job_id for row in rows if row.role == "live" and row.model == LIVE}
    assert len(by_canary) + len(by_live) == 40
    assert by_canary == {job for job in by_canary | by_live if in_canary_share(job, 0.5)}
    assert 0 < len(by_canary) < 40
    assert {row.job_id for row in rows if row.role == "shadow"} == by_live


def test_a_drain_stops_the_shadow_before_the_next_text(scene: Scene) -> None:
    runtime = CallbackRuntime(scene.guards.drain.begin)
    scene.runtimes["1.1.0"] = runtime
    outcome = scene.score("win", "six", "a prize")
    assert (outcome.scored, outcome.shadow.scored) == (3, 1)
    assert runtime.runs == 2


def test_the_shadow_does_not_start_during_a_drain(scene: Scene) -> None:
    scene.runtimes["1.0.0"] = CallbackRuntime(scene.guards.drain.begin)
    outcome = scene.score("win", "six")
    assert (outcome.scored, len(outcome.returned), outcome.shadow.scored) == (1, 1, 0)
    assert scene.roles_and_models() == [("live", LIVE)]


def test_no_shadow_scores_after_it_was_removed(scene: Scene) -> None:
    with scene.engine.begin() as connection:
        deployments.set_shadow(connection, None, deployed_by="", reason="")
    assert scene.score("win").shadow.scored == 0
    assert scene.roles_and_models() == [("live", LIVE)]
