"""Progress without a terminal: the lines on standard error, and the TensorBoard logs."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from training.loop.history import History
from training.presets import TINY

pytestmark = pytest.mark.slow

CONFIG = replace(TINY, epochs=3, total_steps=100)


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")


def run_epochs(progress: Any, history: History, validation_losses: list[float]) -> None:
    """Report epochs of ten steps, whose training loss is 0.5."""
    for validation_loss in validation_losses:
        for _ in range(10):
            history.record_step(total=4.0, terms=8.0, tokens=100)
            progress.step(history, 1e-4)
        history.seconds += 60.0
        history.close_epoch(validation_loss)
        progress.epoch(history)


def test_each_epoch_has_a_line_that_marks_the_best_so_far(
    tf_modules: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    history = History()
    with tf_modules.progress.Progress(CONFIG) as progress:
        progress.start(history, steps_per_epoch=10)
        run_epochs(progress, history, [0.4, 0.45, 0.3])
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines() == [
        "epoch 1/3  loss 0.5000  validation 0.4000  60 s  best so far",
        "epoch 2/3  loss 0.5000  validation 0.4500  120 s",
        "epoch 3/3  loss 0.5000  validation 0.3000  180 s  best so far",
    ]


def test_resumed_run_prints_its_step(tf_modules: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with tf_modules.progress.Progress(CONFIG) as progress:
        progress.start(History(epoch=1, batch=4, step=14), steps_per_epoch=10)
    assert capsys.readouterr().err == "resuming from step 14 of epoch 2\n"


def test_tensorboard_gets_every_tenth_step_and_every_epoch(tf_modules: Any, tmp_path: Path) -> None:
    with tf_modules.progress.Progress(CONFIG, tmp_path) as progress:
        progress.start(History(), steps_per_epoch=10)
        run_epochs(progress, History(), [0.4, 0.3])
    (log,) = tmp_path.iterdir()
    curves: dict[str, list[int]] = {}
    for record in tf_modules.tf.data.TFRecordDataset(str(log)):
        event = tf_modules.tf.compat.v1.Event.FromString(record.numpy())
        for value in event.summary.value:
            curves.setdefault(value.tag, []).append(event.step)
    assert set(curves) == {
        "loss", "learning rate", "tokens per second", "epoch loss", "validation loss",
    }  # fmt: skip
    assert all(steps == [10, 20] for steps in curves.values())
