"""The training run itself, top to bottom: steps, epochs, patience, and going on after a kill."""

from __future__ import annotations

from time import perf_counter

import numpy as np

from training.data.batches import Batches
from training.loop.checkpoint import Checkpoint
from training.loop.history import History
from training.loop.progress import Progress
from training.loop.schedule import learning_rate
from training.loop.stepper import Stepper
from training.presets import TrainingConfig


def fit(
    stepper: Stepper,
    train: Batches,
    validation: Batches,
    config: TrainingConfig,
    checkpoint: Checkpoint,
    progress: Progress,
) -> History:
    """Train until epochs, steps or patience run out; the best epoch's weights stay in place.

    Goes on from the checkpoint if there is one, to the same weights as a run nobody stopped.
    """
    assert config.total_steps > 0, "0 stands for the epochs' own number, which learn puts in"
    history = resume(stepper, checkpoint)
    began = perf_counter() - history.seconds
    with progress:
        progress.start(history, train.steps)
        while not finished(history, config):
            for ids, labels, seed in train.epoch(history.epoch, skip=history.batch):
                if history.step >= config.total_steps:
                    break
                rate = learning_rate(history.step, config)
                total, terms = stepper.train(ids, labels, seed, rate)
                history.stepped(total, terms, int(np.count_nonzero(ids)))
                history.seconds = perf_counter() - began
                progress.step(history, rate)
                if checkpoint.due:
                    checkpoint.save(history, stepper.state)
            best = history.closed(stepper.mean_loss(validation.in_order()))
            if best:
                checkpoint.save_best(stepper.weights)
            checkpoint.save(history, stepper.state)
            progress.epoch(history)
    stepper.weights = checkpoint.load_best() or stepper.weights
    return history


def resume(stepper: Stepper, checkpoint: Checkpoint) -> History:
    """Put back what the checkpoint holds; return where it stood."""
    found = checkpoint.load()
    if found is None:
        return History()
    history, stepper.state = found
    return history


def finished(history: History, config: TrainingConfig) -> bool:
    """Whether epochs, steps or patience have run out; asked between two epochs."""
    if history.epoch >= config.epochs or history.step >= config.total_steps:
        return True
    waited = history.epoch - 1 - history.best_epoch if history.validation_loss else 0
    return waited >= config.patience
