from pathlib import Path

import numpy as np
import pytest

from training.errors import TrainingError
from training.loop.checkpoint import Checkpoint
from training.loop.history import History

STATE = [np.arange(6, dtype=np.float32).reshape(2, 3), np.array([3], dtype=np.uint32)]


def history_of(steps: int) -> History:
    history = History()
    for _ in range(steps):
        history.record_step(1.0, 2.0, 3)
    return history


def test_last_saved_state_is_loaded(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path / "run", 0)
    assert checkpoint.load() is None
    assert checkpoint.load_best() is None
    checkpoint.save(history_of(1), STATE)
    checkpoint.save(history_of(2), STATE)
    checkpoint.save_best(STATE[:1])
    saved = Checkpoint(tmp_path / "run", 0).load()
    assert saved is not None
    assert saved[0] == history_of(2)
    for before, after in zip(STATE, saved[1], strict=True):
        assert before.dtype == after.dtype
        np.testing.assert_array_equal(before, after)
    best = checkpoint.load_best()
    assert best is not None and len(best) == 1


def test_checkpoint_is_due_after_its_interval(tmp_path: Path) -> None:
    assert Checkpoint(tmp_path, 0).due
    assert not Checkpoint(tmp_path, 1e9).due


def test_full_disk_keeps_the_previous_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = Checkpoint(tmp_path, 0)
    checkpoint.save(history_of(1), STATE)

    def fail(file: object, **arrays: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", fail)
    with pytest.raises(TrainingError, match=r"No space left .*\. The state saved before"):
        checkpoint.save(history_of(2), STATE)
    saved = checkpoint.load()
    assert saved is not None and saved[0] == history_of(1)
    assert not list(tmp_path.glob(".*"))


def test_damaged_state_is_reported_in_one_sentence(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path, 0)
    checkpoint.save(history_of(1), STATE)
    (tmp_path / "state.npz").write_bytes(b"half")
    with pytest.raises(TrainingError, match="remove it to restart the run"):
        checkpoint.load()


def test_cleared_checkpoint_is_empty(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path, 0)
    checkpoint.save(history_of(1), STATE)
    checkpoint.clear()
    assert checkpoint.load() is None
