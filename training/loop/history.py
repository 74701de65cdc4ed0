"""The losses and the position of a run: with the weights, all that is needed to resume it."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any

from training.presets import TrainingConfig


@dataclass(slots=True)
class History:
    """Losses, F1 and last step of each epoch, loss of each step, and the next step's position.

    `epoch` counts from 0; `batch` is the next batch of that epoch; `step` counts over all epochs.
    `validation_f1` is empty if the task has no positive class.
    """

    epoch: int = 0
    batch: int = 0
    step: int = 0
    loss: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    validation_f1: list[float] = field(default_factory=list)
    step_loss: list[float] = field(default_factory=list)
    epoch_ends: list[int] = field(default_factory=list)
    epoch_sum: float = 0.0
    epoch_terms: float = 0.0
    tokens: int = 0
    seconds: float = 0.0

    @property
    def best_epoch(self) -> int:
        """The epoch of the lowest validation loss, counted from 0. Its weights are kept."""
        return self.validation_loss.index(min(self.validation_loss))

    @property
    def running_loss(self) -> float:
        """The mean loss of the current epoch so far."""
        return self.epoch_sum / self.epoch_terms if self.epoch_terms else math.nan

    def record_step(self, total: float, terms: float, tokens: int) -> None:
        self.batch += 1
        self.step += 1
        self.tokens += tokens
        self.epoch_sum += total
        self.epoch_terms += terms
        self.step_loss.append(total / max(terms, 1.0))

    def close_epoch(self, validation_loss: float, validation_f1: float | None = None) -> bool:
        """End the epoch; return whether it is the best so far."""
        if validation_f1 is not None:
            self.validation_f1.append(validation_f1)
        self.loss.append(self.running_loss)
        self.validation_loss.append(validation_loss)
        self.epoch_ends.append(self.step)
        is_best = self.best_epoch == self.epoch
        self.epoch, self.batch, self.epoch_sum, self.epoch_terms = self.epoch + 1, 0, 0.0, 0.0
        return is_best

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def why_finished(history: History, config: TrainingConfig) -> str | None:
    """Return why a run ends after its last whole epoch; None if it continues."""
    if history.epoch >= config.epochs:
        return f"all {config.epochs} epochs are done"
    if history.step >= config.total_steps:
        return f"all {config.total_steps:,} steps are done"
    since_best = history.epoch - 1 - history.best_epoch if history.validation_loss else 0
    if since_best >= config.patience:
        return f"early stopping: {since_best} epochs without a lower validation loss"
    return None
