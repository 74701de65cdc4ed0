"""Progress without a terminal: the lines on standard error, and the TensorBoard logs."""

import io
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from training.loop.history import History
from training.presets import TINY

pytestmark = pytest.mark.slow

CONFIG = replace(TINY, epochs=3, total_steps=100)


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")


def run_epochs(progress: Any, history: History, validation_losses: list[float]) -> None:
    """Report epochs of ten steps, whose training loss is 0.5 and whose F1 is 1 - loss."""
    for validation_loss in validation_losses:
        for _ in range(10):
            history.record_step(total=4.0, terms=8.0, tokens=100)
            progress.step(history, 1e-4)
        history.seconds += 60.0
        history.close_epoch(validation_loss, 1.0 - validation_loss)
        progress.epoch(history)


def test_each_epoch_has_a_line_that_marks_the_best_so_far(
    tf_modules: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    history = History()
    with tf_modules.progress.Progress(CONFIG) as progress:
        progress.start(history, steps_per_epoch=10)
        run_epochs(progress, history, [0.4, 0.45, 0.3])
        progress.end(history)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines() == [
        "epoch 1/3  loss 0.5000  validation loss 0.4000  F1 0.6000  60 s  at most 0:02:00 left  "
        "best so far",
        "epoch 2/3  loss 0.5000  validation loss 0.4500  F1 0.5500  120 s  at most 0:01:00 left",
        "epoch 3/3  loss 0.5000  validation loss 0.3000  F1 0.7000  180 s  best so far",
        "training ends, all 3 epochs are done; the weights of epoch 3 are kept (validation loss "
        "0.3000, F1 0.7000)",
    ]


@pytest.mark.parametrize("width", [60, 80, 200])
def test_time_left_is_visible_at_any_width(tf_modules: Any, width: int) -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=width, no_color=True, color_system=None)
    with tf_modules.progress.Progress(CONFIG, console=console) as progress:
        progress.start(History(), steps_per_epoch=100)
        run_epochs(progress, History(), [0.4])
        progress._bar.refresh()
    bars = [line for line in re.split(r"[\r\n]", out.getvalue()) if "10/100" in line]
    assert bars and all(re.search(r"left (\d|-):[\d-]", line) for line in bars)
    assert all("epoch 1  loss 0." in line for line in bars if width >= 80)
    assert any("tokens/s" in line for line in bars) == (width == 200)


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
        "validation F1",
    }  # fmt: skip
    assert all(steps == [10, 20] for steps in curves.values())
