"""The resources of one worker process, on a real PostgreSQL."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from sqlalchemy import Engine

from storage.serving import deployments
from tests.artifacts import version_record, write_artifact
from tests.servers import postgres_server
from tests.workers import environment

# Starts a process in a process of its own, because the watchdog takes over SIGALRM.
START = """
from scoring.artifact.artifact import Artifact
from scoring.runtime.fakes import ConstantRuntime
from scoring.scorer import Scorer
from plumbline.services import connected
from plumbline.settings import Settings
from worker.pool import process

process.load_scorer = lambda folder, trust, max_chars, options: Scorer(
    Artifact.load(folder, trust), ConstantRuntime(), max_chars=max_chars
)
settings = Settings.read()
started = process.start_process(settings, connected(settings), 3)
assert process.current_process() is started
assert started.engine.pool.checkedout() == 0 and started.engine.pool.checkedin() == 0
started.load_models()
print(*started.models._loaded)
started.guards.in_flight.claim()
print(list(process.IN_FLIGHT.pids()))
started.stop()
"""


def start(database_url: str, broker_url: str, folder: Path) -> subprocess.CompletedProcess[str]:
    settings = {"models_dir": folder, "model": "tiny/1.0.0"}
    process = subprocess.run(
        [sys.executable, "-c", START],
        env=environment(database_url, broker_url, folder, settings),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    return process


def test_a_process_loads_the_deployed_version_and_owns_the_record_of_its_index(
    database_url: str, broker_url: str, engine: Engine, tmp_path: Path
) -> None:
    for version in ("1.0.0", "1.1.0"):
        write_artifact(tmp_path, "tiny", version)
    with engine.begin() as connection:
        record = version_record(tmp_path, "tiny/1.1.0")
        deployments.promote(connection, record, deployed_by="test", reason="test")
    process = start(database_url, broker_url, tmp_path)
    assert process.stdout.splitlines() == ["tiny/1.1.0", "[3]"]


def test_a_process_starts_without_postgresql_and_without_a_traceback(
    broker_url: str, tmp_path: Path
) -> None:
    write_artifact(tmp_path, "tiny", "1.0.0")
    with postgres_server(tmp_path / "postgres") as url:
        pass
    process = start(url, broker_url, tmp_path)
    assert process.stdout.splitlines() == ["", "[3]"]
    assert "the models are loaded with the first message: PostgreSQL at" in process.stderr
    assert "Traceback" not in process.stderr
