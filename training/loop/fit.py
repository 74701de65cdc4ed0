"""The training loop: steps, epochs, early stopping, and resuming after a kill."""

from __future__ import annotations

from time import perf_counter

import numpy as np

from training.data.batches import Batches
from training.loop.checkpoint import Checkpoint
from training.loop.history import History, why_finished
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
    """Train until epochs, steps or patience run out; the best epoch's weights stay in the model.

    Resumes from the checkpoint, if there is one, to the same weights as an uninterrupted run.
    """
    assert config.total_steps > 0, "the caller replaces 0 by the number of steps of all epochs"
    history = resume(stepper, checkpoint)
    began = perf_counter() - history.seconds
    with progress:
        progress.start(history, train.steps)
        while why_finished(history, config) is None:
            for ids, labels, seed in train.epoch(history.epoch, skip=history.batch):
                if history.step >= config.total_steps:
                    break
                rate = learning_rate(history.step, config)
                total, terms = stepper.train_step(ids, labels, seed, rate)
                history.record_step(total, terms, int(np.count_nonzero(ids)))
                history.seconds = perf_counter() - began
                progress.step(history, rate)
                if checkpoint.due:
                    checkpoint.save(history, stepper.state)
            evaluation = stepper.evaluate(validation.in_order())
            is_best = history.close_epoch(evaluation.loss, evaluation.f1)
            if is_best:
                checkpoint.save_best(stepper.weights)
            checkpoint.save(history, stepper.state)
            progress.epoch(history)
        progress.end(history)
    stepper.weights = checkpoint.load_best() or stepper.weights
    return history


def resume(stepper: Stepper, checkpoint: Checkpoint) -> History:
    """Restore the checkpoint's state and return its history, which is empty for a new run."""
    saved = checkpoint.load()
    if saved is None:
        return History()
    history, stepper.state = saved
    return history
