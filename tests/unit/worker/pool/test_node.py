"""What the processes of a node share; how the weights are built is tested in scoring/runtime."""

from __future__ import annotations

import logging
import os
import uuid
from pathlib import Path

import pytest

from scoring.artifact.artifact import Artifact
from scoring.errors import WeightsUnavailable
from scoring.runtime.shared_weights import SharedWeights
from tests.artifacts import write_artifact
from worker.pool import node
from worker.pool.in_flight import InFlightTable
from worker.pool.node import cores_for_a_text, shared_weights


@pytest.fixture
def artifact(tmp_path: Path) -> Artifact:
    return Artifact.load(write_artifact(tmp_path / "models"))


def test_a_core_of_a_sibling_with_texts_is_not_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node, "usable_cores", lambda: 2)
    monkeypatch.setattr(node, "free_cores", lambda: 2)
    table = InFlightTable()
    own, sibling = table.record(0), table.record(1)
    own.claim()
    own.record_leases([(uuid.uuid4(), 1)])
    assert cores_for_a_text(table) == 2
    sibling.claim()
    sibling._memory[sibling._offset] ^= 1  # another process id
    assert os.getpid() not in (sibling.pid, 0)
    assert cores_for_a_text(table) == 2
    sibling.record_leases([(uuid.uuid4(), 1)])
    assert cores_for_a_text(table) == 1
    monkeypatch.setattr(node, "usable_cores", lambda: 1)
    assert cores_for_a_text(table) == 1


def test_what_others_use_is_not_free_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node, "usable_cores", lambda: 8)
    monkeypatch.setattr(node, "free_cores", lambda: 3)
    assert cores_for_a_text(InFlightTable()) == 3


def test_weights_are_built_in_a_private_folder(
    artifact: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build(self: SharedWeights, model: Path, sha256: str, max_tokens: int) -> Path:
        assert (model, max_tokens) == (artifact.model_path, 512)
        assert sha256 == artifact.manifest.files[model.name].sha256
        return tmp_path / "built"

    monkeypatch.setattr(SharedWeights, "find_or_build", build)
    folder = tmp_path / "state" / "weights"
    assert shared_weights(folder, artifact) == tmp_path / "built"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert shared_weights(None, artifact) is None


def test_a_process_scores_without_shared_weights_and_logs_why(
    artifact: Artifact,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*_: object) -> Path:
        raise WeightsUnavailable("the process that builds them failed: no space left.")

    monkeypatch.setattr(SharedWeights, "find_or_build", fail)
    (tmp_path / "file").touch()
    with caplog.at_level(logging.WARNING):
        assert shared_weights(tmp_path / "weights", artifact) is None
        assert shared_weights(tmp_path / "file" / "weights", artifact) is None
    builds, folder = (record.getMessage() for record in caplog.records)
    assert builds == (
        "the weights of tiny/1.0.0 are not shared between processes: "
        "the process that builds them failed: no space left."
    )
    assert folder.startswith("the weights of tiny/1.0.0 are not shared between processes: ")
    assert f"{tmp_path / 'file' / 'weights'} cannot be created" in folder
