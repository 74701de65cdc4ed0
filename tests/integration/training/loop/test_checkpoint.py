"""A run that is killed and resumed ends in the same weights as an uninterrupted run."""

import json
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from scoring.artifact.manifest import Manifest

pytestmark = pytest.mark.slow

WORDS = [f"word{n}" for n in range(40)]
STEPS_PER_EPOCH = 18


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    draw = random.Random(11)
    path = tmp_path_factory.mktemp("resume") / "toy.jsonl"
    rows = [
        {"text": " ".join([*draw.choices(WORDS, k=12), "win" if n % 2 else "tea"]), "label": n % 2}
        for n in range(400)
    ]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


def arguments(data: Path, models: Path, runs: Path, checkpoint_every_s: int) -> list[str]:
    return [
        *("--data", str(data), "--preset", "tiny", "--epochs", "2", "--name", "toy"),
        *("--models-dir", str(models), "--run-dir", str(runs), "--labels", "calm,angry"),
        *("--checkpoint-every", str(checkpoint_every_s)),
    ]


def train(options: list[str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "training", *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def train_killed_at(saves: int, options: list[str]) -> subprocess.CompletedProcess[str]:
    module = "tests.integration.training.loop.killed_at"
    command = [sys.executable, "-m", module, str(saves), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_run_killed_twice_ends_in_the_same_weights(data: Path, tmp_path: Path) -> None:
    whole = train(arguments(data, tmp_path / "whole", tmp_path / "runs1", 300))
    # 3 if a gate fails.
    assert whole.returncode in (0, 3), whole.stderr
    options = arguments(data, tmp_path / "resumed", tmp_path / "runs2", 0)
    # In the first epoch, and in the second; the end of an epoch saves the state once more.
    for saves in (3, STEPS_PER_EPOCH):
        killed = train_killed_at(saves, options)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
    last = train(options)
    assert last.returncode in (0, 3), last.stderr
    assert "resuming from step" in last.stderr
    first, second = (
        Manifest.read(tmp_path / name / "toy" / "1.0.0") for name in ("whole", "resumed")
    )
    for name in ("saved_model/variables/variables.data-00000-of-00001",):
        assert first.training_files[name] == second.training_files[name]
    assert first.files["model.int8.tflite"] == second.files["model.int8.tflite"]
    assert first.metrics["int8"] == second.metrics["int8"]
    assert not list((tmp_path / "runs2").glob("*/state.npz"))
