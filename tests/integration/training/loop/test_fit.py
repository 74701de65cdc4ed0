"""The training run's pieces that need TensorFlow: batches, augmentation, patience, limits."""

import warnings
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from training.loop.history import History
from training.presets import TINY
from training.quiet_import import quiet_import

pytestmark = pytest.mark.slow

TEXTS = [f"word{n % 17} call {'win' if n % 2 else 'tea'} " * (1 + n % 9) for n in range(100)]


@pytest.fixture(scope="module")
def made() -> Any:
    with warnings.catch_warnings(), quiet_import():
        warnings.simplefilter("ignore")
        import keras
        import tensorflow as tf

        from training.data import augmentation, batches, tokens, vocabulary
        from training.loop import checkpoint, fit, progress, stepper
        from training.model import architecture, loss
    keras.utils.set_random_seed(3)
    return SimpleNamespace(
        keras=keras, tf=tf, augment=augmentation, checkpoint=checkpoint, fit=fit, loss=loss,
        model=architecture, pipeline=batches, progress=progress, stepper=stepper, tokens=tokens,
        vocabulary=vocabulary,
    )  # fmt: skip


@pytest.fixture(scope="module")
def tokenizer(made: Any) -> Any:
    return made.vocabulary.train_vocabulary(TEXTS, 200, lowercase=True)


def batches(made: Any, tokenizer: Any, flip: bool = False, **rates: float) -> Any:
    labels = [(n + flip) % 2 for n in range(len(TEXTS))]
    return made.pipeline.Batches(
        made.tokens.tokenize(tokenizer, TEXTS, 32),
        labels,
        batch=8,
        seed=7,
        specials=made.augment.Specials.of(tokenizer),
        augmentation=made.augment.Augmentation(**rates),
    )


def listed(data: Any) -> list[tuple[Any, ...]]:
    return [tuple(np.array(part) for part in batch) for batch in data]


def same(first: Any, second: Any) -> bool:
    flat = [[part for batch in batches for part in batch] for batches in (first, second)]
    return len(flat[0]) == len(flat[1]) and all(
        np.array_equal(a, b) for a, b in zip(*flat, strict=True)
    )


def test_an_epoch_goes_on_in_the_middle_with_the_batches_it_would_have_had(
    made: Any, tokenizer: Any
) -> None:
    data = batches(made, tokenizer, drop_rate=0.1, swap_rate=0.2, mask_rate=0.2)
    whole = listed(data.epoch(2))
    assert same(listed(data.epoch(2)), whole)
    assert same(listed(data.epoch(2, skip=5)), whole[5:])
    assert not same(listed(data.epoch(3)), whole)
    assert len(whole) == data.steps
    assert listed(data.epoch(2, skip=len(whole))) == []


def test_validation_is_whole_and_as_it_is(made: Any, tokenizer: Any) -> None:
    data = batches(made, tokenizer, drop_rate=0.9, swap_rate=0.9, mask_rate=0.9)
    rows = [ids[ids > 0].tolist() for batch, _, _ in listed(data.in_order()) for ids in batch]
    whole = [tokenizer.encode(text).ids for text in TEXTS]
    cut = [ids if len(ids) <= 32 else [*ids[:31], ids[-1]] for ids in whole]
    assert sorted(rows) == sorted(cut)


@pytest.fixture(scope="module")
def specials(made: Any, tokenizer: Any) -> Any:
    return made.augment.Specials.of(tokenizer)


def rows_of(count: int) -> np.ndarray[Any, Any]:
    """[CLS], 10 to 29, [SEP], padding."""
    return np.tile(np.array([2, *range(10, 30), 3, 0, 0], dtype="int32"), (count, 1))


def test_masking_hides_the_share_it_was_given_and_no_special(made: Any, specials: Any) -> None:
    ids = rows_of(400)
    masked = np.array(made.augment.mask(ids, (1, 2), 0.3, specials))
    hidden = masked == specials.mask
    assert not hidden[:, [0, 21, 22, 23]].any()
    assert hidden[:, 1:21].mean() == pytest.approx(0.3, abs=0.02)
    assert (masked[~hidden] == ids[~hidden]).all()


def test_dropping_closes_the_gaps_and_keeps_order_and_first_word(made: Any, specials: Any) -> None:
    ids = rows_of(400)
    dropped = np.array(made.augment.drop(ids, (1, 2), 0.3, specials))
    assert dropped.shape == ids.shape
    assert (dropped[:, 0] == 2).all() and (dropped[:, 1] == 10).all()
    for row in dropped:
        kept = row[row > 0]
        assert kept[-1] == 3
        assert (np.diff(kept[1:-1]) > 0).all()
        assert (row[len(kept) :] == 0).all()
    lost = 1 - (dropped > 0).sum() / (ids > 0).sum()
    assert lost == pytest.approx(0.3 * 19 / 22, abs=0.02)


def test_swapping_moves_neighbours_and_loses_nothing(made: Any, specials: Any) -> None:
    ids = rows_of(400)
    swapped = np.concatenate(
        [np.array(made.augment.swap(ids, (1, n), 0.3, specials)) for n in range(8)]
    )
    original = rows_of(3_200)
    assert (np.sort(swapped) == np.sort(original)).all()
    assert (swapped[:, [0, 21, 22, 23]] == original[:, [0, 21, 22, 23]]).all()
    assert np.abs(swapped[:, 1:21] - original[:, 1:21]).max() == 1
    assert (swapped != original)[:, 1:21].mean() == pytest.approx(0.3, abs=0.03)


def trainer(made: Any, tokenizer: Any, config: Any) -> Any:
    made.keras.utils.set_random_seed(1)
    shape = replace(config.model, vocabulary=tokenizer.get_vocab_size())
    return made.stepper.Stepper(
        lambda: made.model.build(shape), made.loss.smoothed_cross_entropy(0.1), config
    )


def run(made: Any, stepper: Any, train: Any, validation: Any, config: Any, folder: Path) -> History:
    checkpoint = made.checkpoint.Checkpoint(folder, 1e9)
    progress = made.progress.Progress(config, folder / "logs")
    history: History = made.fit.fit(stepper, train, validation, config, checkpoint, progress)
    return history


def test_patience_keeps_the_best_epoch(made: Any, tokenizer: Any, tmp_path: Path) -> None:
    config = replace(TINY, epochs=20, patience=2, total_steps=1_000, batch=8)
    stepper = trainer(made, tokenizer, config)
    # What helps on one hurts on the other, so that the first epochs are the best.
    against = batches(made, tokenizer, flip=True)
    history = run(made, stepper, batches(made, tokenizer), against, config, tmp_path)
    assert len(history.loss) == history.best_epoch + 1 + config.patience < config.epochs
    assert stepper.mean_loss(against.in_order()) == pytest.approx(min(history.validation_loss))


def test_the_last_step_ends_the_run_in_the_middle_of_an_epoch(
    made: Any, tokenizer: Any, tmp_path: Path
) -> None:
    config = replace(TINY, epochs=5, total_steps=6, batch=8)
    data = batches(made, tokenizer)
    history = run(made, trainer(made, tokenizer, config), data, data, config, tmp_path)
    assert history.step == 6 < data.steps


def test_the_curves_are_there_for_tensorboard(made: Any, tokenizer: Any, tmp_path: Path) -> None:
    config = replace(TINY, epochs=1, batch=8, total_steps=100)
    data = batches(made, tokenizer)
    run(made, trainer(made, tokenizer, config), data, data, config, tmp_path)
    written = b"".join(path.read_bytes() for path in (tmp_path / "logs").iterdir())
    for name in (b"learning rate", b"validation loss", b"tokens a second"):
        assert name in written
