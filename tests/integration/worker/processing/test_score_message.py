"""What becomes of a message when PostgreSQL goes under its hands."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Engine, text

from plumbline.messages import ScoreMessage
from plumbline.settings import Settings
from scoring.artifact.artifact import Artifact
from scoring.runtime.fakes import ConstantRuntime
from scoring.scorer import Scorer
from storage.direct import PersistentConnection
from tests.artifacts import write_artifact
from worker.pool.loaded_models import LoadedModels
from worker.pool.process import Process
from worker.processing import score_message as module
from worker.processing.score_message import score_message


@dataclass
class Closing:
    """A model during whose run the database closes its doors."""

    url: str

    def logit(self, _: object) -> float:
        self.open(False)
        return 0.0

    def open(self, yes: bool) -> None:
        server, _, name = self.url.rpartition("/")
        with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
            connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS {yes}")
            if not yes:
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
                    (name,),
                )


@pytest.fixture
def closing(database_url: str) -> Iterator[Closing]:
    found = Closing(database_url)
    yield found
    found.open(True)


def process(engine: Engine, kept: PersistentConnection, tmp_path: Path, runtime: Closing) -> Process:
    write_artifact(tmp_path)
    warm = LoadedModels(tmp_path, "tiny", lambda f: Scorer(Artifact.load(f), ConstantRuntime()))
    # Warmed up with another runtime: the doors are to close at the first real text.
    warm.answering(None).live._runtime = runtime
    return Process(Settings(), engine, kept, warm)


def test_scores_at_hand_outlive_a_restart_of_postgres(
    engine: Engine,
    kept: PersistentConnection,
    tmp_path: Path,
    closing: Closing,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        closing.open(True)

    monkeypatch.setattr(module, "sleep", pause)
    message = ScoreMessage.parse({"version": 1, "jobs": [{"text": "win"}, {"text": " "}]})
    outcome = score_message(process(engine, kept, tmp_path, closing), message, "m")
    assert (outcome.scored, outcome.refused, outcome.skipped) == (1, 1, 0)
    assert len(pauses) == 1
    with engine.connect() as connection:
        attempts = connection.execute(
            text("SELECT attempts FROM plumbline.jobs WHERE state = 'scored'")
        ).scalar_one()
    assert attempts == 1
