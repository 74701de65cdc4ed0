"""From labelled texts to trained weights: tokenizer, token ids, model, steps."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import keras
import tensorflow as tf
import tokenizers

from plumbline.version import __version__
from training.augment import Augmentation, Specials
from training.checkpoint import Checkpoint
from training.data import Example, Splits
from training.fit import fit
from training.history import History
from training.loss import smoothed_cross_entropy
from training.model import Classifier, build
from training.pipeline import Batches
from training.precision import policy
from training.presets import TrainingConfig
from training.progress import Progress
from training.start import Start
from training.stepper import Stepper
from training.tokens import tokenize
from training.vocabulary import train_vocabulary

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How a run goes about it; none of this changes what it comes to."""

    folder: Path = Path("runs")
    devices: int = 1
    checkpoint_every_s: float = 300.0


@dataclass(frozen=True, slots=True)
class Learned:
    """Trained weights and what belongs to them. `checkpoint` may be cleared once they are safe."""

    model: Classifier
    tokenizer: tokenizers.Tokenizer
    config: TrainingConfig
    history: History
    checkpoint: Checkpoint
    folder: Path


def learn(parts: Splits, config: TrainingConfig, start: Start, options: RunOptions) -> Learned:
    """Train, or go on with the run of the same data, settings and start that was killed."""
    settle(config)
    tokenizer = start.tokenizer or learn_vocabulary(parts.train, config)
    shape = start.shape or replace(config.model, vocabulary=tokenizer.get_vocab_size())
    config = replace(config, model=shape)
    folder = options.folder / key(parts, config, start)
    train, validation = (
        _batches(tokenizer, examples, config, options.folder / "tokens")
        for examples in (parts.train, parts.validation)
    )
    stepper = Stepper(
        lambda: build(config.model),
        smoothed_cross_entropy(config.label_smoothing),
        config,
        options.devices,
    )
    start.load(stepper.model)
    checkpoint = Checkpoint(folder, options.checkpoint_every_s)
    progress = Progress(config, folder / "logs")
    history = fit(stepper, train, validation, config, checkpoint, progress)
    return Learned(stepper.model, tokenizer, config, history, checkpoint, folder)


def settle(config: TrainingConfig) -> None:
    """Make what follows repeatable, and choose what it computes in."""
    keras.utils.set_random_seed(config.seed)
    tf.config.experimental.enable_op_determinism()
    keras.mixed_precision.set_global_policy(policy(config.mixed_precision))


def learn_vocabulary(train: Sequence[Example], config: TrainingConfig) -> tokenizers.Tokenizer:
    """WordPiece from the training split alone; fewer pieces than wanted is no error, but said."""
    wanted = config.model.vocabulary
    tokenizer = train_vocabulary(
        [example.text for example in train],
        wanted,
        lowercase=config.lowercase,
        same_digits=config.same_digits,
    )
    found = tokenizer.get_vocab_size()
    if found < wanted:
        log.warning(
            "The training texts fill %d of %d vocabulary places; going on with those.",
            found,
            wanted,
        )
    return tokenizer


def key(parts: Splits, config: TrainingConfig, start: Start) -> str:
    """The name of a run: the same data, settings, start and code are the same run."""
    about = [parts.fingerprint, asdict(config), start.fingerprint, __version__]
    return hashlib.sha256(json.dumps(about).encode()).hexdigest()[:16]


def _batches(
    tokenizer: tokenizers.Tokenizer,
    examples: Sequence[Example],
    config: TrainingConfig,
    cache: Path,
) -> Batches:
    return Batches(
        tokenize(tokenizer, [e.text for e in examples], config.train_tokens, cache),
        [e.label for e in examples],
        batch=config.batch,
        seed=config.seed,
        specials=Specials.of(tokenizer),
        augmentation=Augmentation(config.drop_rate, config.swap_rate, config.mask_rate),
    )
