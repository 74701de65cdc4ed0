"""The training run itself: optimizer, loss, schedule, early stopping."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import keras
import tensorflow as tf

from training.model import Classifier
from training.presets import TrainingConfig
from training.progress import Progress
from training.schedule import learning_rate

# Parts of the names of biases and of LayerNorm's two vectors.
NOT_DECAYED = ("bias", "gamma", "beta")


@dataclass(slots=True)
class History:
    """Mean loss of each epoch on both splits, and how many steps were taken."""

    loss: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    steps: int = 0

    @property
    def best_epoch(self) -> int:
        """Counted from 0: the one whose weights are kept."""
        return self.validation_loss.index(min(self.validation_loss))


def fit(
    model: Classifier, train: tf.data.Dataset, validation: tf.data.Dataset, config: TrainingConfig
) -> History:
    """Train until epochs, steps or patience run out; the best epoch's weights stay in place."""
    model.compile(optimizer=optimizer(config), loss=smoothed_loss(config), jit_compile=False)
    history, best = History(), model.get_weights()
    with Progress(config) as progress:
        for epoch in range(config.epochs):
            running = Mean()
            for ids, labels in train.take(config.total_steps - history.steps):
                rate = learning_rate(history.steps, config)
                model.optimizer.learning_rate = rate
                running.add(model.train_on_batch(ids, labels), len(labels))
                history.steps += 1
                progress.step(history.steps, running.value, rate)
            history.loss.append(running.value)
            history.validation_loss.append(mean_loss(model, validation))
            progress.epoch(epoch, running.value, history.validation_loss[-1], history.steps)
            if history.best_epoch == epoch:
                best = model.get_weights()
            out_of_patience = epoch - history.best_epoch >= config.patience
            if out_of_patience or history.steps >= config.total_steps:
                break
    model.set_weights(best)
    return history


def optimizer(config: TrainingConfig) -> Any:
    """AdamW with decoupled decay (Loshchilov and Hutter, 2019), none on biases and LayerNorm."""
    made = keras.optimizers.AdamW(
        learning_rate=learning_rate(0, config),
        weight_decay=config.weight_decay,
        beta_1=config.beta_1,
        beta_2=config.beta_2,
        epsilon=config.epsilon,
        global_clipnorm=config.clip_norm,
    )
    made.exclude_from_weight_decay(var_names=list(NOT_DECAYED))
    return made


def smoothed_loss(config: TrainingConfig) -> Any:
    """Cross-entropy on logits; the logits are float32 whatever the rest computes in."""
    return keras.losses.BinaryCrossentropy(
        from_logits=True, label_smoothing=config.label_smoothing, dtype="float32"
    )


def mean_loss(model: Classifier, data: tf.data.Dataset) -> float:
    running = Mean()
    for ids, labels in data:
        running.add(model.test_on_batch(ids, labels), len(labels))
    return running.value


class Mean:
    """A mean over rows of batches that differ in size."""

    def __init__(self) -> None:
        self._sum = 0.0
        self._rows = 0

    def add(self, value: float, rows: int) -> None:
        self._sum += float(value) * rows
        self._rows += rows

    @property
    def value(self) -> float:
        return self._sum / self._rows if self._rows else math.nan
