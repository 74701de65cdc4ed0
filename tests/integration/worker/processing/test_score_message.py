"""A message whose PostgreSQL restarts while its texts are scored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Engine, text

from plumbline.messages import ScoreMessage
from plumbline.settings import Settings
from plumbline_client.services import Services
from scoring.artifact.artifact import Artifact
from scoring.runtime.fakes import ConstantRuntime
from scoring.scorer import Scorer
from storage.direct import PersistentConnection
from tests.artifacts import write_artifact
from worker.pool.loaded_models import LoadedModels
from worker.pool.process import WorkerProcess
from worker.processing import score_message as module
from worker.processing.score_message import Delivery, score_message


@dataclass
class DisconnectingRuntime:
    """A model whose run makes the database refuse connections."""

    url: str

    def logit(self, *_: object) -> float:
        self.allow_connections(False)
        return 0.0

    def allow_connections(self, allowed: bool) -> None:
        server, _, name = self.url.rpartition("/")
        with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
            connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS {allowed}")
            if not allowed:
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
                    (name,),
                )


@pytest.fixture
def runtime(database_url: str) -> Iterator[DisconnectingRuntime]:
    runtime = DisconnectingRuntime(database_url)
    yield runtime
    runtime.allow_connections(True)


@pytest.fixture
def process(
    database_url: str,
    engine: Engine,
    persistent_connection: PersistentConnection,
    tmp_path: Path,
    runtime: DisconnectingRuntime,
) -> WorkerProcess:
    write_artifact(tmp_path)
    models = LoadedModels(
        tmp_path,
        "tiny",
        lambda folder, trust: Scorer(Artifact.load(folder, trust), ConstantRuntime()),
    )
    # The model is warmed up with another runtime, so that the first real text disconnects.
    models.scorers_for(None).live._runtime = runtime
    services = Services(database_url, "redis://unused")
    return WorkerProcess(Settings(), services, engine, persistent_connection, models)


def test_computed_scores_survive_a_restart_of_postgresql(
    engine: Engine,
    process: WorkerProcess,
    runtime: DisconnectingRuntime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pauses_s: list[float] = []

    def sleep(seconds: float) -> None:
        pauses_s.append(seconds)
        runtime.allow_connections(True)

    monkeypatch.setattr(module, "sleep", sleep)
    message = ScoreMessage.parse({"version": 1, "jobs": [{"text": "win"}, {"text": " "}]})
    outcome = score_message(process, message, Delivery("m"))
    assert (outcome.scored, outcome.refused, outcome.skipped) == (1, 1, 0)
    assert len(pauses_s) == 1
    with engine.connect() as connection:
        attempts = connection.execute(
            text("SELECT attempts FROM plumbline.jobs WHERE state = 'scored'")
        ).scalar_one()
    assert attempts == 1
