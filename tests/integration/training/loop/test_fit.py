"""The training loop: early stopping, the step limit, and the TensorBoard logs it writes."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from training.data.tokenization import tokenize
from training.data.vocabulary import train_vocabulary
from training.loop.checkpoint import Checkpoint
from training.loop.history import History
from training.presets import TINY, TrainingConfig

pytestmark = pytest.mark.slow

TEXTS = [f"word{n % 17} call {'win' if n % 2 else 'tea'} " * (1 + n % 9) for n in range(100)]


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return train_vocabulary(TEXTS, 200, lowercase=True)


def make_batches(tf_modules: Any, tokenizer: Any, flip_labels: bool = False) -> Any:
    return tf_modules.batches.Batches(
        tokenize(tokenizer, TEXTS, 32),
        [(n + flip_labels) % 2 for n in range(len(TEXTS))],
        batch=8,
        seed=7,
        special_tokens=tf_modules.augmentation.SpecialTokens.of(tokenizer),
    )


def make_stepper(tf_modules: Any, tokenizer: Any, config: TrainingConfig) -> Any:
    tf_modules.keras.utils.set_random_seed(1)
    shape = replace(config.model, vocabulary=tokenizer.get_vocab_size())
    return tf_modules.stepper.Stepper(
        lambda: tf_modules.architecture.build_classifier(shape),
        tf_modules.loss.smoothed_cross_entropy(0.1),
        config,
        confusion=tf_modules.loss.confusion,
    )


def fit(
    tf_modules: Any,
    stepper: Any,
    train: Any,
    validation: Any,
    config: TrainingConfig,
    folder: Path,
) -> History:
    checkpoint = Checkpoint(folder, 1e9)
    progress = tf_modules.progress.Progress(config, folder / "logs")
    history: History = tf_modules.fit.fit(stepper, train, validation, config, checkpoint, progress)
    return history


def test_patience_keeps_the_best_epoch(tf_modules: Any, tokenizer: Any, tmp_path: Path) -> None:
    config = replace(TINY, epochs=20, patience=2, total_steps=1_000, batch=8)
    stepper = make_stepper(tf_modules, tokenizer, config)
    # With flipped labels, validation gets worse as training improves: the first epochs are best.
    validation = make_batches(tf_modules, tokenizer, flip_labels=True)
    train = make_batches(tf_modules, tokenizer)
    history = fit(tf_modules, stepper, train, validation, config, tmp_path)
    assert len(history.loss) == history.best_epoch + 1 + config.patience < config.epochs
    kept = stepper.evaluate(validation.in_order())
    assert kept.loss == pytest.approx(min(history.validation_loss))
    assert kept.f1 == pytest.approx(history.validation_f1[history.best_epoch])


def test_last_step_ends_the_run_in_the_middle_of_an_epoch(
    tf_modules: Any, tokenizer: Any, tmp_path: Path
) -> None:
    config = replace(TINY, epochs=5, total_steps=6, batch=8)
    data = make_batches(tf_modules, tokenizer)
    stepper = make_stepper(tf_modules, tokenizer, config)
    history = fit(tf_modules, stepper, data, data, config, tmp_path)
    assert history.step == 6 < data.steps


def test_curves_are_logged_for_tensorboard(tf_modules: Any, tokenizer: Any, tmp_path: Path) -> None:
    config = replace(TINY, epochs=1, batch=8, total_steps=100)
    data = make_batches(tf_modules, tokenizer)
    stepper = make_stepper(tf_modules, tokenizer, config)
    fit(tf_modules, stepper, data, data, config, tmp_path)
    logs = b"".join(path.read_bytes() for path in (tmp_path / "logs").iterdir())
    for name in (b"learning rate", b"validation loss", b"validation F1", b"tokens per second"):
        assert name in logs


def test_f1_of_the_validation_texts_counts_every_batch(tf_modules: Any, tokenizer: Any) -> None:
    stepper = make_stepper(tf_modules, tokenizer, replace(TINY, batch=8))
    data = make_batches(tf_modules, tokenizer)
    # Logits of 1 for every text: all of them are predicted positive, and half of them are.
    stepper.model.logit.kernel.assign(0.0 * stepper.model.logit.kernel)
    stepper.model.logit.bias.assign([1.0])
    assert stepper.evaluate(data.in_order()).f1 == pytest.approx(2 * 50 / (2 * 50 + 50))
