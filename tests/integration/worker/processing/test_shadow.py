"""The shadow scores beside what answers, on a real PostgreSQL: no answer waits or suffers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, Row, text

from plumbline.messages import ScoreMessage
from plumbline.settings import Settings
from scoring.artifact.artifact import Artifact
from scoring.runtime.fakes import ConstantRuntime, FailingRuntime
from scoring.runtime.protocol import Runtime
from scoring.scorer import Scorer
from storage.direct import PersistentConnection
from storage.serving import deployments
from storage.serving.deployments import in_canary_share
from tests.artifacts import write_artifact
from worker.pool.drain import Drain
from worker.pool.loaded_models import LoadedModels
from worker.pool.process import Guards, Process
from worker.processing.score_message import Outcome, score_message

LIVE, SHADOW = "tiny/1.0.0", "tiny/1.1.0"


class Watching:
    """A runtime that does `act` at each text but the first, which warms it up."""

    def __init__(self, act: Callable[[], object]) -> None:
        self._act = act
        self.runs = 0

    def logit(self, _: object) -> float:
        self.runs += 1
        if self.runs > 1:
            self._act()
        return 2.0


class Scene:
    """A process that serves LIVE and has SHADOW beside it, each with a runtime of the test's."""

    def __init__(self, engine: Engine, kept: PersistentConnection, folder: Path) -> None:
        self.engine = engine
        self.runtimes: dict[str, Runtime] = {"1.0.0": ConstantRuntime(), "1.1.0": ConstantRuntime()}
        for version in self.runtimes:
            write_artifact(folder, "tiny", version)
        self.guards = Guards(Drain())
        models = LoadedModels(folder, LIVE, self._load)
        self.process = Process(Settings(), engine, kept, models, self.guards)
        with engine.begin() as connection:
            for model in (SHADOW, LIVE):
                deployments.promote(
                    connection, model, manifest_sha256="", metrics={}, deployed_by="", reason=""
                )
            deployments.set_shadow(connection, SHADOW, deployed_by="", reason="")

    def _load(self, folder: Path) -> Scorer:
        return Scorer(Artifact.load(folder), self.runtimes[folder.name])

    def score(self, *texts: str, name: str = "m") -> Outcome:
        message = {"version": 1, "jobs": [{"text": text} for text in texts]}
        return score_message(self.process, ScoreMessage.parse(message), name)

    def predictions(self) -> list[Row[Any]]:
        query = "SELECT job_id, role, model, probability, queue_ms FROM plumbline.predictions"
        with self.engine.connect() as connection:
            return list(connection.execute(text(f"{query} ORDER BY role, job_id")))

    def by_role(self) -> list[tuple[str, str]]:
        return [(row.role, row.model) for row in self.predictions()]

    def states(self) -> list[str]:
        with self.engine.connect() as connection:
            return sorted(connection.execute(text("SELECT state FROM plumbline.jobs")).scalars())


@pytest.fixture
def scene(engine: Engine, kept: PersistentConnection, tmp_path: Path) -> Scene:
    return Scene(engine, kept, tmp_path)


def test_the_shadow_scores_what_was_answered_once_and_apart(scene: Scene) -> None:
    scene.runtimes["1.1.0"] = ConstantRuntime(2.0)
    outcome = scene.score("win", "a prize", " ")
    assert (outcome.scored, outcome.refused, outcome.beside.scored) == (2, 1, 2)
    rows = scene.predictions()
    assert [(row.role, row.model) for row in rows] == [("live", LIVE)] * 2 + [
        ("shadow", SHADOW)
    ] * 2
    assert [row.job_id for row in rows[:2]] == [row.job_id for row in rows[2:]]
    assert {round(row.probability, 2) for row in rows[2:]} == {0.88}
    assert [row.queue_ms for row in rows[:2]] == [row.queue_ms for row in rows[2:]]
    with scene.engine.connect() as connection:
        shown = connection.execute(text("SELECT model FROM plumbline.results")).scalars()
        assert set(shown) == {LIVE, None}
    assert scene.score("win", "a prize", " ").beside.scored == 0, "the same message again"
    assert scene.predictions() == rows


def test_the_answers_are_written_before_the_shadow_begins(scene: Scene) -> None:
    seen = []
    scene.runtimes["1.1.0"] = Watching(lambda: seen.append((scene.states(), scene.by_role())))
    scene.score("win", "six")
    assert seen == [(["scored", "scored"], [("live", LIVE)] * 2)] * 2


def test_a_shadow_that_fails_harms_no_answer(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise MemoryError

    scene.runtimes["1.1.0"] = Watching(fail)
    outcome = scene.score("win", "six")
    assert (outcome.scored, outcome.beside.scored, outcome.beside.failed) == (2, 0, 2)
    assert scene.by_role() == [("live", LIVE)] * 2
    assert caplog.text.count("the shadow tiny/1.1.0 cannot score job") == 2


def test_a_shadow_that_cannot_be_loaded_harms_no_answer(scene: Scene) -> None:
    scene.runtimes["1.1.0"] = FailingRuntime()
    assert scene.score("win").scored == 1
    assert scene.by_role() == [("live", LIVE)]


def test_scores_of_the_shadow_that_cannot_be_written_harm_no_answer(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    def in_the_way() -> None:
        with scene.engine.begin() as connection:
            connection.execute(
                text("ALTER TABLE plumbline.predictions ADD CHECK (role = 'live') NOT VALID")
            )

    scene.runtimes["1.1.0"] = Watching(in_the_way)
    outcome = scene.score("win")
    assert (outcome.scored, outcome.beside.scored, outcome.beside.failed) == (1, 0, 1)
    assert (scene.states(), scene.by_role()) == (["scored"], [("live", LIVE)])
    assert "the shadow tiny/1.1.0 left 1 texts without a score" in caplog.text


def test_what_the_shadow_answered_as_the_canary_is_not_scored_again(scene: Scene) -> None:
    with scene.engine.begin() as connection:
        deployments.set_canary(connection, SHADOW, 0.5, deployed_by="", reason="")
    scene.score(*(f"win {n}" for n in range(40)))
    rows = scene.predictions()
    canary = {row.job_id for row in rows if row.role == "live" and row.model == SHADOW}
    others = {row.job_id for row in rows if row.role == "live" and row.model == LIVE}
    assert len(canary) + len(others) == 40
    assert canary == {job for job in canary | others if in_canary_share(job, 0.5)}
    assert 0 < len(canary) < 40
    assert {row.job_id for row in rows if row.role == "shadow"} == others


def test_a_drain_ends_the_shadow_before_the_next_text(scene: Scene) -> None:
    runtime = Watching(scene.guards.drain.begin)
    scene.runtimes["1.1.0"] = runtime
    outcome = scene.score("win", "six", "a prize")
    assert (outcome.scored, outcome.beside.scored) == (3, 1)
    assert runtime.runs == 2


def test_while_draining_no_shadow_begins(scene: Scene) -> None:
    scene.runtimes["1.0.0"] = Watching(scene.guards.drain.begin)
    outcome = scene.score("win", "six")
    assert (outcome.scored, len(outcome.returned), outcome.beside.scored) == (1, 1, 0)
    assert scene.by_role() == [("live", LIVE)]


def test_without_a_shadow_there_is_none(scene: Scene) -> None:
    with scene.engine.begin() as connection:
        deployments.set_shadow(connection, None, deployed_by="", reason="")
    assert scene.score("win").beside.scored == 0
    assert scene.by_role() == [("live", LIVE)]
