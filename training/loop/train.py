"""From texts to trained weights: tokenizer, token ids, model, training loop."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
import tokenizers

from plumbline.version import __version__
from training.data.augmentation import Augmentation, SpecialTokens
from training.data.batches import Batches
from training.data.examples import Example
from training.data.splits import Splits
from training.data.tokenization import tokenize
from training.data.vocabulary import train_vocabulary
from training.loop.checkpoint import Checkpoint
from training.loop.fit import fit
from training.loop.history import History
from training.loop.precision import precision_policy
from training.loop.progress import Progress
from training.loop.stepper import Stepper
from training.model.architecture import build_classifier
from training.model.initial_weights import InitialWeights
from training.model.loss import Confusion, Loss, confusion, smoothed_cross_entropy
from training.model.masked_language import build_masked_language_model, masked_language_loss
from training.presets import RunOptions, TrainingConfig

log = logging.getLogger(__name__)
NO_AUGMENTATION = Augmentation()


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """Trained weights, their tokenizer and history.

    `checkpoint` may be cleared once the weights are saved elsewhere. `folder` is the run's own.
    """

    model: Any
    tokenizer: tokenizers.Tokenizer
    config: TrainingConfig
    history: History
    checkpoint: Checkpoint
    folder: Path


def train_classifier(
    splits: Splits, config: TrainingConfig, weights: InitialWeights, options: RunOptions
) -> TrainedModel:
    """Train a classifier, or resume the run of the same data, settings and initial weights."""
    configure_keras(config)
    tokenizer = weights.tokenizer or tokenizer_for([e.text for e in splits.train], config)
    # A checkpoint's embedding table may be larger than its tokenizer, so its own shape is used.
    shape = weights.shape or replace(config.model, vocabulary=tokenizer.get_vocab_size())
    actual = replace(config, model=shape)
    augmentation = Augmentation(config.drop_rate, config.swap_rate, config.mask_rate)
    train, validation = (
        _batches(tokenizer, examples, actual, options.folder, augmentation)
        for examples in (splits.train, splits.validation)
    )

    def build_model() -> Any:
        model = build_classifier(shape)
        weights.load(model)
        return model

    return _train(
        build_model,
        smoothed_cross_entropy(config.label_smoothing),
        train,
        validation,
        tokenizer,
        actual,
        options,
        run_key(splits.fingerprint, asdict(config), weights.fingerprint, tokenizer.to_str()),
        confusion,
    )


def train_masked_language_model(
    train: Sequence[str],
    held_out: Sequence[str],
    config: TrainingConfig,
    options: RunOptions,
    fingerprint: str,
) -> TrainedModel:
    """Train on unlabelled texts, or resume that run; `fingerprint` identifies the texts."""
    configure_keras(config)
    tokenizer = tokenizer_for(train, config)
    actual = replace(config, model=replace(config.model, vocabulary=tokenizer.get_vocab_size()))
    train_batches, validation_batches = (
        _batches(
            tokenizer,
            [Example(text, 0) for text in texts],
            actual,
            options.folder,
            NO_AUGMENTATION,
        )
        for texts in (train, held_out)
    )
    return _train(
        lambda: build_masked_language_model(actual.model),
        masked_language_loss(tokenizer),
        train_batches,
        validation_batches,
        tokenizer,
        actual,
        options,
        run_key("masked language", fingerprint, asdict(config), tokenizer.to_str()),
    )


def configure_keras(config: TrainingConfig) -> None:
    """Set the seed, deterministic operations and the precision policy."""
    keras.utils.set_random_seed(config.seed)
    tf.config.experimental.enable_op_determinism()
    keras.mixed_precision.set_global_policy(precision_policy(config.mixed_precision))


def tokenizer_for(texts: Sequence[str], config: TrainingConfig) -> tokenizers.Tokenizer:
    """Train a WordPiece tokenizer; log a warning if the texts give fewer pieces than configured."""
    size = config.model.vocabulary
    tokenizer = train_vocabulary(
        texts, size, lowercase=config.lowercase, same_digits=config.same_digits
    )
    learned = tokenizer.get_vocab_size()
    if learned < size:
        log.warning(
            "The training texts contain only %d of the %d vocabulary pieces configured; "
            "continuing with %d.",
            learned,
            size,
            learned,
        )
    return tokenizer


def run_key(*about: object) -> str:
    """Return the name of a run: of its data, settings, initial weights, tokenizer and code version.

    A checkpoint of another vocabulary would not fit into the model.
    """
    return hashlib.sha256(json.dumps([__version__, *about]).encode()).hexdigest()[:16]


def _train(
    build_model: Callable[[], Any],
    loss: Loss,
    train: Batches,
    validation: Batches,
    tokenizer: tokenizers.Tokenizer,
    config: TrainingConfig,
    options: RunOptions,
    key: str,
    confusion: Confusion | None = None,
) -> TrainedModel:
    folder = options.folder / key
    config = replace(config, total_steps=config.total_steps or config.epochs * train.steps)
    stepper = Stepper(build_model, loss, config, options.devices, confusion)
    checkpoint = Checkpoint(folder, options.checkpoint_every_s)
    progress = Progress(config, folder / "logs")
    history = fit(stepper, train, validation, config, checkpoint, progress)
    return TrainedModel(stepper.model, tokenizer, config, history, checkpoint, folder)


def _batches(
    tokenizer: tokenizers.Tokenizer,
    examples: Sequence[Example],
    config: TrainingConfig,
    folder: Path,
    augmentation: Augmentation,
) -> Batches:
    return Batches(
        tokenize(tokenizer, [e.text for e in examples], config.train_tokens, folder / "tokens"),
        [e.label for e in examples],
        batch=config.batch,
        seed=config.seed,
        special_tokens=SpecialTokens.of(tokenizer),
        augmentation=augmentation,
    )
