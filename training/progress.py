"""What a person watches while a model trains; one plain line an epoch where nobody does."""

from __future__ import annotations

from time import perf_counter
from types import TracebackType

from rich import progress as rich_progress
from rich.console import Console

from training.presets import TrainingConfig


class Progress:
    """A bar over all steps with loss and learning rate, on standard error."""

    def __init__(self, config: TrainingConfig) -> None:
        self._config = config
        self._started = perf_counter()
        self._console = Console(stderr=True, highlight=False)
        self._bar = rich_progress.Progress(
            rich_progress.TextColumn("[bold]training"),
            rich_progress.BarColumn(),
            rich_progress.MofNCompleteColumn(),
            rich_progress.TextColumn("{task.description}"),
            rich_progress.TimeElapsedColumn(),
            rich_progress.TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task("", total=None)

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

    def step(self, steps: int, loss: float, rate: float) -> None:
        self._bar.update(
            self._task, completed=steps, description=f"loss {loss:.4f}  rate {rate:.1e}"
        )

    def epoch(self, epoch: int, loss: float, validation_loss: float, steps: int) -> None:
        """`epoch` counts from 0. The first tells how many steps there will be in all."""
        total = min(steps // (epoch + 1) * self._config.epochs, self._config.total_steps)
        self._bar.update(self._task, total=total)
        self._console.print(
            f"epoch {epoch + 1}/{self._config.epochs}  loss {loss:.4f}  "
            f"validation {validation_loss:.4f}  {perf_counter() - self._started:.0f} s"
        )
