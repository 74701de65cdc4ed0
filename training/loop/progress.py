"""Progress of a run: a bar on a terminal, one line per epoch elsewhere, and TensorBoard logs."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

import tensorflow as tf
from rich import progress as rich_progress
from rich.console import Console

from training.loop.history import History
from training.presets import TrainingConfig

# TensorBoard samples a thousand points per curve; more only make the logs larger.
STEPS_PER_LOG = 10


class Progress:
    """Shows steps, loss, learning rate and tokens per second on standard error.

    Writes the same curves for TensorBoard to the folder `logs`, if it is given.
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

    def start(self, history: History, steps_per_epoch: int) -> None:
        """Begin at the history's step, which is above 0 if the run resumes."""
        total = min(self._config.total_steps, self._config.epochs * steps_per_epoch)
        self._bar.update(self._task, total=total, completed=history.step)
        if history.step:
            self._console.print(f"resuming from step {history.step} of epoch {history.epoch + 1}")

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
        if history.step % STEPS_PER_LOG == 0:
            self._log(
                history.step,
                {"loss": history.step_loss[-1], "learning rate": rate, "tokens per second": speed},
            )

    def epoch(self, history: History) -> None:
        """Report an epoch that has ended."""
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
