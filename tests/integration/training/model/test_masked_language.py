"""Hiding tokens, and learning to say what they were."""

import math
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from training.model.huggingface import load_backbone, read_checkpoint, save_backbone
from training.presets import TINY
from training.quiet_import import quiet_import

pytestmark = pytest.mark.slow

PAD, CLS, SEP, MASK = 0, 2, 3, 4
TEXTS = ["one two three four five six seven", "red green blue white black grey"] * 8


@pytest.fixture(scope="module")
def made() -> Any:
    """The training house with TensorFlow in it, imported when the first test needs it."""
    with warnings.catch_warnings(), quiet_import():
        warnings.simplefilter("ignore")
        import keras
        import tensorflow as tf

        from training.data import vocabulary
        from training.model import masked_language
    return SimpleNamespace(
        keras=keras, tf=tf, masked_language=masked_language, model=model, vocabulary=vocabulary
    )


@pytest.fixture(scope="module")
def tokenizer(made: Any) -> Any:
    return made.vocabulary.train_vocabulary(TEXTS, 80, lowercase=True)


@pytest.fixture
def model(made: Any, tokenizer: Any) -> Any:
    return build(made, tokenizer)


def build(made: Any, tokenizer: Any) -> Any:
    made.keras.utils.set_random_seed(3)
    config = replace(TINY.model, vocabulary=tokenizer.get_vocab_size())
    return made.masked_language.build_masked_language(config)


@pytest.fixture
def bfloat16(made: Any) -> Iterator[None]:
    made.keras.mixed_precision.set_global_policy("mixed_bfloat16")
    yield
    made.keras.mixed_precision.set_global_policy("float32")


@pytest.fixture
def ids(tokenizer: Any) -> Any:
    rows = [entry.ids for entry in tokenizer.encode_batch(TEXTS)]
    longest = max(map(len, rows))
    return np.array([row + [PAD] * (longest - len(row)) for row in rows], dtype="int32")


def masked(made: Any, ids: Any, seed: int = 1, rate: float = 0.15) -> tuple[Any, Any, Any]:
    found = made.masked_language.mask_tokens(
        made.tf.constant(ids),
        made.tf.constant([seed, 0]),
        mask_id=MASK,
        vocabulary=500,
        special_ids=range(5),
        rate=rate,
    )
    return tuple(np.array(part) for part in found)


@pytest.fixture
def long_ids() -> Any:
    ids = np.random.default_rng(4).integers(5, 500, size=(200, 100)).astype("int32")
    ids[:, 0], ids[:, 80], ids[:, 81:] = CLS, SEP, PAD
    return ids


def test_of_fifteen_in_a_hundred_most_are_masked_some_replaced_some_kept(
    made: Any, long_ids: Any
) -> None:
    shown, places, targets = masked(made, long_ids)
    hidden = shown.reshape(-1)[places]
    assert len(places) / (200 * 79) == pytest.approx(0.15, abs=0.01)
    assert np.mean(hidden == MASK) == pytest.approx(0.8, abs=0.03)
    assert np.mean(hidden == targets) == pytest.approx(0.1, abs=0.03)
    others = hidden[(hidden != MASK) & (hidden != targets)]
    assert len(others) / len(hidden) == pytest.approx(0.1, abs=0.03)
    # The others come from the whole vocabulary, and none of them is a special token.
    assert others.min() >= 5 and np.ptp(others) > 400


def test_targets_are_what_stood_there_and_nothing_else_changes(made: Any, long_ids: Any) -> None:
    shown, places, targets = masked(made, long_ids)
    np.testing.assert_array_equal(long_ids.reshape(-1)[places], targets)
    assert targets.min() >= 5
    restored = shown.reshape(-1).copy()
    restored[places] = targets
    np.testing.assert_array_equal(restored.reshape(long_ids.shape), long_ids)


def test_the_same_seed_hides_the_same(made: Any, long_ids: Any) -> None:
    first, again, other = (masked(made, long_ids, seed)[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_row_with_words_always_hides_one(made: Any) -> None:
    ids = np.array([[CLS, 7, SEP, PAD], [CLS, 8, 9, SEP], [CLS, SEP, PAD, PAD]] * 20, "int32")
    _, places, _ = masked(made, ids, rate=0.01)
    assert np.bincount(places // 4, minlength=60).reshape(-1, 3).tolist() == [[1, 1, 0]] * 20


def test_nothing_to_hide_is_no_terms(made: Any, model: Any, tokenizer: Any) -> None:
    loss = made.masked_language.masked_language_loss(tokenizer)
    ids = made.tf.constant([[CLS, SEP]])
    total, terms = loss(model, ids, None, made.tf.constant([1, 2]), training=False)
    assert (float(total), float(terms)) == (0.0, 0.0)


def test_a_fresh_model_guesses(made: Any, model: Any, tokenizer: Any, ids: Any) -> None:
    total, terms = look(made, model, tokenizer, ids)
    assert total / terms == pytest.approx(math.log(tokenizer.get_vocab_size()), abs=0.1)


def look(made: Any, model: Any, tokenizer: Any, ids: Any) -> tuple[float, float]:
    loss = made.masked_language.masked_language_loss(tokenizer)
    found = loss(model, made.tf.constant(ids), None, made.tf.constant([8, 9]), training=False)
    assert [part.dtype for part in found] == [made.tf.float32] * 2
    return float(found[0]), float(found[1])


def test_the_loss_is_the_formula(made: Any, model: Any, tokenizer: Any, ids: Any) -> None:
    """Logits everywhere, from the parts, against those computed at the hidden places alone."""
    total, terms = look(made, model, tokenizer, ids)
    shown, places, targets = made.masked_language.mask_tokens(
        made.tf.constant(ids),
        made.tf.constant([8, 9]),
        mask_id=tokenizer.token_to_id("[MASK]"),
        vocabulary=tokenizer.get_vocab_size(),
        special_ids=range(5),
    )
    states = np.array(model.norm(model.transform(model.backbone(shown))))
    logits = states @ model.backbone.embeddings.token.embeddings.numpy().T + model.bias.numpy()
    logits = logits.reshape(-1, logits.shape[-1])[np.array(places)]
    log_sums = np.log(np.exp(logits).sum(axis=1))
    expected = log_sums - logits[np.arange(len(logits)), np.array(targets)]
    assert terms == len(expected)
    assert total == pytest.approx(float(expected.sum()), rel=1e-4)


def learn(made: Any, model: Any, tokenizer: Any, ids: Any, steps: int) -> None:
    loss = made.masked_language.masked_language_loss(tokenizer)
    optimizer = made.keras.optimizers.Adam(3e-3)
    optimizer.build(model.trainable_variables)
    batch = made.tf.constant(ids)

    @made.tf.function
    def step(seed: Any) -> None:
        with made.tf.GradientTape() as tape:
            total, terms = loss(model, batch, None, seed, training=True)
            mean = total / terms
        values = [variable.value for variable in model.trainable_variables]
        optimizer.apply(tape.gradient(mean, values), model.trainable_variables)

    for number in range(steps):
        step(made.tf.constant([number, 1]))


def test_it_learns_what_repeats(made: Any, model: Any, tokenizer: Any, ids: Any) -> None:
    before = np.divide(*look(made, model, tokenizer, ids))
    learn(made, model, tokenizer, ids, steps=60)
    assert np.divide(*look(made, model, tokenizer, ids)) < 0.6 * before


@pytest.mark.usefixtures("bfloat16")
def test_it_learns_in_mixed_precision_with_a_float32_loss(
    made: Any, tokenizer: Any, ids: Any
) -> None:
    model = build(made, tokenizer)
    assert model.backbone.blocks[0].expand.compute_dtype == "bfloat16"
    before = np.divide(*look(made, model, tokenizer, ids))
    learn(made, model, tokenizer, ids, steps=60)
    assert np.divide(*look(made, model, tokenizer, ids)) < 0.6 * before


def test_the_last_layer_is_the_token_embeddings_own(made: Any, model: Any) -> None:
    vocabulary, width = model.backbone.embeddings.token.embeddings.shape
    large = [v for v in model.trainable_variables if vocabulary in v.shape]
    assert sorted(tuple(v.shape) for v in large) == [(vocabulary,), (vocabulary, width)]
    ids, places = np.array([[CLS, 6, SEP]], "int32"), np.array([1], "int32")
    before = np.array(model(ids, places))[0]
    table = model.backbone.embeddings.token.embeddings
    # Row 20 is not among the ids, so only the last layer can feel it.
    table.assign(np.where(np.arange(vocabulary)[:, None] == 20, 3.0 * table, table))
    after = np.array(model(ids, places))[0]
    assert after[20] == pytest.approx(3.0 * before[20], rel=1e-4)
    np.testing.assert_allclose(np.delete(after, 20), np.delete(before, 20), rtol=1e-5)


def test_a_pretrained_backbone_becomes_a_classifiers(
    made: Any, model: Any, tokenizer: Any, ids: Any, tmp_path: Path
) -> None:
    learn(made, model, tokenizer, ids, steps=2)
    config = replace(TINY.model, vocabulary=tokenizer.get_vocab_size())
    save_backbone(tmp_path, model.backbone, config, tokenizer)
    checkpoint = read_checkpoint(tmp_path)
    classifier = made.model.build(replace(config, head_widths=(4,)))
    load_backbone(classifier.backbone, checkpoint)
    np.testing.assert_array_equal(np.array(classifier.backbone(ids)), np.array(model.backbone(ids)))
