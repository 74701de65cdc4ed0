"""Progress of a run: a bar on a terminal, one line per epoch elsewhere, and TensorBoard logs."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from types import TracebackType

import tensorflow as tf
from rich import progress as rich_progress
from rich.console import Console

from training.loop.history import History, why_finished
from training.presets import TrainingConfig
from training.steps import CutColumn, TimeLeftColumn

# TensorBoard samples a thousand points per curve; more only make the logs larger.
STEPS_PER_LOG = 10


class Progress:
    """Shows steps, time left, loss, learning rate and tokens per second on standard error.

    Writes the same curves for TensorBoard to the folder `logs`, if it is given.
    """

    def __init__(
        self, config: TrainingConfig, logs: Path | None = None, console: Console | None = None
    ) -> None:
        self._config = config
        self._console = console or Console(stderr=True, highlight=False)
        self._bar = rich_progress.Progress(
            rich_progress.BarColumn(bar_width=12),
            rich_progress.MofNCompleteColumn(),
            TimeLeftColumn(),
            CutColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task("", total=None)
        self._logs = tf.summary.create_file_writer(str(logs)) if logs else None
        self._steps, self._resumed = 0, History()

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
        self._steps = min(self._config.total_steps, self._config.epochs * steps_per_epoch)
        self._resumed = History(step=history.step, seconds=history.seconds)
        self._bar.update(self._task, total=self._steps, completed=history.step)
        if history.step:
            self._print(f"resuming from step {history.step} of epoch {history.epoch + 1}")

    def step(self, history: History, rate: float) -> None:
        speed = history.tokens / max(history.seconds, 1e-9)
        # The last of it is cut first on a narrow terminal.
        self._bar.update(
            self._task,
            completed=history.step,
            description=(
                f"epoch {history.epoch + 1}  loss {history.running_loss:.4f}  "
                f"rate {rate:.1e}  {speed:,.0f} tokens/s"
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
        values = {"epoch loss": loss, "validation loss": validation}
        figures = f"loss {loss:.4f}  validation loss {validation:.4f}"
        if history.validation_f1:
            values["validation F1"] = history.validation_f1[-1]
            figures += f"  F1 {history.validation_f1[-1]:.4f}"
        self._log(history.step, values)
        best = "  best so far" if history.best_epoch == history.epoch - 1 else ""
        self._print(
            f"epoch {history.epoch}/{self._config.epochs}  {figures}  "
            f"{history.seconds:.0f} s{self._left(history)}{best}"
        )

    def end(self, history: History) -> None:
        """Report why the run ends, and which weights are kept."""
        best = history.best_epoch
        f1 = f", F1 {history.validation_f1[best]:.4f}" if history.validation_f1 else ""
        self._print(
            f"training ends, {why_finished(history, self._config)}; the weights of epoch "
            f"{best + 1} are kept (validation loss {history.validation_loss[best]:.4f}{f1})"
        )

    def _left(self, history: History) -> str:
        """Return the time for the remaining steps at this run's speed, if early stopping waits."""
        taken = history.step - self._resumed.step
        remaining = self._steps - history.step
        if taken <= 0 or remaining <= 0:
            return ""
        seconds = remaining * (history.seconds - self._resumed.seconds) / taken
        return f"  at most {timedelta(seconds=round(seconds))} left"

    def _print(self, line: str) -> None:
        self._console.print(line, markup=False, soft_wrap=True)

    def _log(self, step: int, values: dict[str, float]) -> None:
        if self._logs is None:
            return
        with self._logs.as_default():
            for name, value in values.items():
                tf.summary.scalar(name, value, step)
