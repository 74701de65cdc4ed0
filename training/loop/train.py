"""From texts to trained weights: tokenizer, token ids, model, steps."""

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
from training.data.augmentation import Augmentation, Specials
from training.data.batches import Batches
from training.data.examples import Example, Splits
from training.data.tokens import tokenize
from training.data.vocabulary import train_vocabulary
from training.loop.checkpoint import Checkpoint
from training.loop.fit import fit
from training.loop.history import History
from training.loop.progress import Progress
from training.loop.stepper import Stepper
from training.model.architecture import build
from training.model.loss import Loss, smoothed_cross_entropy
from training.model.masked_language import build_masked_language, masked_language_loss
from training.model.precision import policy
from training.model.start import Start
from training.presets import TrainingConfig

log = logging.getLogger(__name__)
NOTHING = Augmentation()


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How a run goes about it; none of this changes what it comes to."""

    folder: Path = Path("runs")
    devices: int = 1
    checkpoint_every_s: float = 300.0


@dataclass(frozen=True, slots=True)
class Learned:
    """Trained weights and what belongs to them. `checkpoint` may be cleared once they are safe."""

    model: Any
    tokenizer: tokenizers.Tokenizer
    config: TrainingConfig
    history: History
    checkpoint: Checkpoint
    folder: Path


def learn(parts: Splits, config: TrainingConfig, start: Start, options: RunOptions) -> Learned:
    """Train a classifier, or go on with the run of the same data, settings and start."""
    settle(config)
    tokenizer = start.tokenizer or learn_vocabulary([e.text for e in parts.train], config)
    # A checkpoint's table may be larger than its tokenizer, so its shape counts.
    shape = start.shape or replace(config.model, vocabulary=tokenizer.get_vocab_size())
    chosen = replace(config, model=shape)
    augmentation = Augmentation(config.drop_rate, config.swap_rate, config.mask_rate)
    train, validation = (
        _batches(tokenizer, examples, chosen, options.folder, augmentation)
        for examples in (parts.train, parts.validation)
    )

    def fresh() -> Any:
        model = build(shape)
        start.load(model)
        return model

    return _learn(
        fresh,
        smoothed_cross_entropy(config.label_smoothing),
        train,
        validation,
        tokenizer,
        chosen,
        options,
        key(parts.fingerprint, asdict(config), start.fingerprint),
    )


def learn_masked(
    train: Sequence[str],
    held_out: Sequence[str],
    config: TrainingConfig,
    options: RunOptions,
    data: str,
) -> Learned:
    """Train a masked-language model on unlabelled texts; `data` is their digest."""
    settle(config)
    tokenizer = learn_vocabulary(train, config)
    chosen = replace(config, model=replace(config.model, vocabulary=tokenizer.get_vocab_size()))
    learned_from, judged_by = (
        _batches(tokenizer, [Example(text, 0) for text in texts], chosen, options.folder, NOTHING)
        for texts in (train, held_out)
    )
    return _learn(
        lambda: build_masked_language(chosen.model),
        masked_language_loss(tokenizer),
        learned_from,
        judged_by,
        tokenizer,
        chosen,
        options,
        key("masked language", data, asdict(config)),
    )


def settle(config: TrainingConfig) -> None:
    """Make what follows repeatable, and choose what it computes in."""
    keras.utils.set_random_seed(config.seed)
    tf.config.experimental.enable_op_determinism()
    keras.mixed_precision.set_global_policy(policy(config.mixed_precision))


def learn_vocabulary(texts: Sequence[str], config: TrainingConfig) -> tokenizers.Tokenizer:
    """WordPiece from the training texts alone; fewer pieces than wanted is no error, but said."""
    wanted = config.model.vocabulary
    tokenizer = train_vocabulary(
        texts, wanted, lowercase=config.lowercase, same_digits=config.same_digits
    )
    found = tokenizer.get_vocab_size()
    if found < wanted:
        log.warning(
            "The training texts fill %d of %d vocabulary places; going on with those.",
            found,
            wanted,
        )
    return tokenizer


def key(*about: object) -> str:
    """The name of a run: the same data, settings, start and code are the same run."""
    return hashlib.sha256(json.dumps([__version__, *about]).encode()).hexdigest()[:16]


def _learn(
    build_model: Callable[[], Any],
    loss: Loss,
    train: Batches,
    validation: Batches,
    tokenizer: tokenizers.Tokenizer,
    config: TrainingConfig,
    options: RunOptions,
    run: str,
) -> Learned:
    folder = options.folder / run
    config = replace(config, total_steps=config.total_steps or config.epochs * train.steps)
    stepper = Stepper(build_model, loss, config, options.devices)
    checkpoint = Checkpoint(folder, options.checkpoint_every_s)
    progress = Progress(config, folder / "logs")
    history = fit(stepper, train, validation, config, checkpoint, progress)
    return Learned(stepper.model, tokenizer, config, history, checkpoint, folder)


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
        specials=Specials.of(tokenizer),
        augmentation=augmentation,
    )
