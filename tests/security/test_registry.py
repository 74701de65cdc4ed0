"""A neighbour who may write to the models folder: what differs from the registry does not serve."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from monitoring.alerts.evaluation import evaluate
from plumbline.settings import Settings
from plumbline_client import Client
from scoring.artifact.artifact import Artifact
from scoring.artifact.manifest import Manifest, hashes
from storage.errors import VersionChanged
from storage.reports import alerts
from storage.serving import deployments
from storage.serving.deployments import VersionRecord
from tests.artifacts import PASSED, write_copy
from tests.workers import failed_start_output, start_worker

OLD, NEW = "sms-spam/1.0.0", "sms-spam/1.1.0"
SPAM = "WINNER!! Claim your free prize of 1000 pounds now, call 09061701461"


@pytest.fixture
def models(tmp_path: Path) -> Path:
    root = tmp_path / "models"
    for version in ("1.0.0", "1.1.0"):
        write_copy(root, version, PASSED)
    return root


def swap_labels(folder: Path) -> None:
    """Exchange the labels of a version, and write a manifest that agrees with its files."""
    config = (folder / "config.json").read_text(encoding="utf-8")
    swapped = config.replace('"ham"', '"x"').replace('"spam"', '"ham"').replace('"x"', '"spam"')
    (folder / "config.json").write_text(swapped, encoding="utf-8")
    manifest = Manifest.read(folder)
    manifest.files.update(hashes(folder, ["config.json"]))
    manifest.write(folder)


def promote(engine: Engine, folder: Path) -> None:
    artifact = Artifact.load(folder)
    version = VersionRecord(artifact.name, artifact.manifest.sha256, {}, artifact.config.labels)
    with engine.begin() as connection:
        deployments.promote(connection, version, deployed_by="ann", reason="test")


def test_a_changed_version_neither_serves_nor_costs_a_text(
    models: Path, engine: Engine, database_url: str, broker_url: str, tmp_path: Path
) -> None:
    settings = {"models_dir": models, "max_attempts": 1}
    promote(engine, models / OLD)
    with (
        Client(database_url, broker_url) as client,
        start_worker(
            database_url, broker_url, tmp_path, concurrency=1, settings=settings
        ) as worker,
    ):

        def scored_by() -> tuple[str | None, str | None]:
            job = client.submit(SPAM).job_id
            (result,) = client.wait([job], timeout_s=60)
            return result.model, result.label

        assert scored_by() == (OLD, "spam")
        promote(engine, models / NEW)
        swap_labels(models / NEW)
        assert scored_by() == (OLD, "spam"), "the loaded version continues to serve"
        worker.wait_for_log(f"{NEW} cannot be loaded; {OLD} continues to serve")
        assert evaluate(engine, Settings(models_dir=models, state_dir=tmp_path)) is not None
        with engine.connect() as connection:
            refused = [a for a in alerts.open_alerts(connection) if a.rule == "model_refused"]
        assert [alert.subject.startswith(f"{NEW} on ") for alert in refused] == [True]

        # A process that starts now has no version, and returns its texts.
        (child,) = worker.children()
        os.kill(child, signal.SIGKILL)
        job = client.submit(SPAM).job_id
        worker.wait_for_log(f"will be retried: {NEW} cannot be loaded")
        with engine.connect() as connection:
            state = connection.execute(
                text("SELECT state FROM plumbline.jobs WHERE id = :id"), {"id": job}
            ).scalar_one()
        assert state in ("queued", "leased")
        swap_labels(models / NEW)
        (result,) = client.wait([job], timeout_s=60)
        assert (result.model, result.label, result.attempts) == (NEW, "spam", 1)


def test_no_worker_starts_and_nothing_is_registered_anew_with_a_changed_version(
    models: Path, engine: Engine, database_url: str, broker_url: str, tmp_path: Path
) -> None:
    promote(engine, models / OLD)
    swap_labels(models / OLD)
    output = failed_start_output(
        database_url, broker_url, tmp_path, settings={"models_dir": models}
    )
    assert f"{models / OLD} is not what was registered as {OLD}" in output
    assert "Traceback" not in output
    with pytest.raises(VersionChanged, match="is registered with other content"):
        promote(engine, models / OLD)


def test_a_worker_that_requires_signatures_starts_with_none_else(
    models: Path, database_url: str, broker_url: str, tmp_path: Path
) -> None:
    key = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3"
    settings = {"models_dir": models, "model_public_key": key}
    output = failed_start_output(database_url, broker_url, tmp_path, settings=settings)
    assert "has no signature that can be read (manifest.json.minisig)" in output
    assert "Traceback" not in output
