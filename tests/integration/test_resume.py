"""A run that is killed and started again ends in the same weights as one nobody touched."""

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from scoring.manifest import Manifest
from tests.waiting import eventually

pytestmark = pytest.mark.slow

WORDS = [f"word{n}" for n in range(40)]


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


def command(data: Path, models: Path, runs: Path) -> list[str]:
    return [
        *(sys.executable, "-m", "training", "--data", str(data), "--preset", "tiny"),
        *("--name", "toy", "--models-dir", str(models), "--run-dir", str(runs)),
        *("--checkpoint-every", "0", "--no-saved-model"),
    ]


def kill_after(arguments: list[str], runs: Path, wanted: int) -> None:
    """Start the run and kill it, hard, once it has saved its state `wanted` times more."""
    seen: set[int] = set()

    def saved() -> bool:
        assert process.poll() is None, "the run ended before it could be killed"
        for state in runs.glob("*/state.npz"):
            seen.add(state.stat().st_ino)
        return len(seen) > wanted

    with subprocess.Popen(
        arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        eventually(saved, 60)
        os.killpg(process.pid, signal.SIGKILL)


def test_killed_twice_it_ends_in_the_same_weights(data: Path, tmp_path: Path) -> None:
    whole = subprocess.run(
        command(data, tmp_path / "whole", tmp_path / "runs1"), capture_output=True, check=False
    )
    assert whole.returncode == 0, whole.stderr
    arguments = command(data, tmp_path / "broken", tmp_path / "runs2")
    for wanted in (3, 5):
        kill_after(arguments, tmp_path / "runs2", wanted)
    last = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert last.returncode == 0, last.stderr
    assert "going on from step" in last.stderr
    first, second = (
        Manifest.read(tmp_path / name / "toy" / "1.0.0") for name in ("whole", "broken")
    )
    for name in ("saved_model/variables/variables.data-00000-of-00001",):
        assert first.training_files[name] == second.training_files[name]
    assert first.files["model.int8.tflite"] == second.files["model.int8.tflite"]
    assert first.metrics["int8"] == second.metrics["int8"]
    assert not list((tmp_path / "runs2").glob("*/state.npz"))
