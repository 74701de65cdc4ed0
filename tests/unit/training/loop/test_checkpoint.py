from pathlib import Path

import numpy as np
import pytest

from training.errors import TrainingError
from training.loop.checkpoint import Checkpoint
from training.loop.history import History

STATE = [np.arange(6, dtype=np.float32).reshape(2, 3), np.array([3], dtype=np.uint32)]


def stepped(steps: int) -> History:
    history = History()
    for _ in range(steps):
        history.stepped(1.0, 2.0, 3)
    return history


def test_what_was_saved_last_comes_back(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path / "run", 0)
    assert checkpoint.load() is None
    assert checkpoint.load_best() is None
    checkpoint.save(stepped(1), STATE)
    checkpoint.save(stepped(2), STATE)
    checkpoint.save_best(STATE[:1])
    found = Checkpoint(tmp_path / "run", 0).load()
    assert found is not None
    assert found[0] == stepped(2)
    for before, after in zip(STATE, found[1], strict=True):
        assert before.dtype == after.dtype
        np.testing.assert_array_equal(before, after)
    best = checkpoint.load_best()
    assert best is not None and len(best) == 1


def test_it_is_due_by_the_clock(tmp_path: Path) -> None:
    assert Checkpoint(tmp_path, 0).due
    assert not Checkpoint(tmp_path, 1e9).due


def test_a_full_disk_keeps_the_state_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = Checkpoint(tmp_path, 0)
    checkpoint.save(stepped(1), STATE)

    def full(file: object, **arrays: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(TrainingError, match="No space left on device; what was saved before"):
        checkpoint.save(stepped(2), STATE)
    found = checkpoint.load()
    assert found is not None and found[0] == stepped(1)
    assert not list(tmp_path.glob(".*"))


def test_a_damaged_state_is_one_sentence(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path, 0)
    checkpoint.save(stepped(1), STATE)
    (tmp_path / "state.npz").write_bytes(b"half")
    with pytest.raises(TrainingError, match="remove it to begin the run anew"):
        checkpoint.load()


def test_cleared_it_is_gone(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path, 0)
    checkpoint.save(stepped(1), STATE)
    checkpoint.clear()
    assert checkpoint.load() is None
