"""What a person watches while a model trains; one plain line an epoch where nobody does."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

import tensorflow as tf
from rich import progress as rich_progress
from rich.console import Console

from training.loop.history import History
from training.presets import TrainingConfig

# TensorBoard draws a thousand points as well as twenty thousand.
EVERY_STEPS = 10


class Progress:
    """A bar over all steps with loss, learning rate and tokens a second, on standard error.

    With `logs`, the same curves for TensorBoard in that folder.
    """

    def __init__(self, config: TrainingConfig, logs: Path | None = None) -> None:
        self._config = config
        self._console = Console(stderr=True, highlight=False)
        self._bar = rich_progress.Progress(
            rich_progress.TextColumn("[bold]training"),
            rich_progress.BarColumn(bar_width=None),
            rich_progress.MofNCompleteColumn(),
            rich_progress.TextColumn("{task.description}"),
            rich_progress.TimeElapsedColumn(),
            rich_progress.TextColumn("left"),
            rich_progress.TimeRemainingColumn(),
            console=self._console,
            expand=True,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task("", total=None)
        self._logs = tf.summary.create_file_writer(str(logs)) if logs else None

    def __enter__(self) -> Progress:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()
        if self._logs:
            self._logs.close()

    def start(self, history: History, steps_an_epoch: int) -> None:
        """`history` is not empty where an earlier run is gone on with."""
        total = min(self._config.total_steps, self._config.epochs * steps_an_epoch)
        self._bar.update(self._task, total=total, completed=history.step)
        if history.step:
            self._console.print(f"going on from step {history.step} of epoch {history.epoch + 1}")

    def step(self, history: History, rate: float) -> None:
        speed = history.tokens / max(history.seconds, 1e-9)
        self._bar.update(
            self._task,
            completed=history.step,
            description=(
                f"epoch {history.epoch + 1}  loss {history.running_loss:.4f}  rate {rate:.1e}  "
                f"{speed:,.0f} tokens/s"
            ),
        )
        if history.step % EVERY_STEPS == 0:
            self._log(
                history.step,
                {"loss": history.step_loss[-1], "learning rate": rate, "tokens a second": speed},
            )

    def epoch(self, history: History) -> None:
        """Called when an epoch has ended."""
        loss, validation = history.loss[-1], history.validation_loss[-1]
        self._log(history.step, {"epoch loss": loss, "validation loss": validation})
        best = "  best so far" if history.best_epoch == history.epoch - 1 else ""
        self._console.print(
            f"epoch {history.epoch}/{self._config.epochs}  loss {loss:.4f}  "
            f"validation {validation:.4f}  {history.seconds:.0f} s{best}"
        )

    def _log(self, step: int, values: dict[str, float]) -> None:
        if self._logs is None:
            return
        with self._logs.as_default():
            for name, value in values.items():
                tf.summary.scalar(name, value, step)
