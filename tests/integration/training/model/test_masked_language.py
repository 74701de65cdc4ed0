"""Masking tokens, and learning to predict them."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from training.data.vocabulary import train_vocabulary
from training.model.huggingface import load_backbone, read_pretrained, save_backbone
from training.presets import TINY

pytestmark = pytest.mark.slow

PAD, CLS, SEP, MASK = 0, 2, 3, 4
TEXTS = ["one two three four five six seven", "red green blue white black grey"] * 8


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return train_vocabulary(TEXTS, 80, lowercase=True)


@pytest.fixture
def model(tf_modules: Any, tokenizer: Any) -> Any:
    return build(tf_modules, tokenizer)


def build(tf_modules: Any, tokenizer: Any) -> Any:
    tf_modules.keras.utils.set_random_seed(3)
    config = replace(TINY.model, vocabulary=tokenizer.get_vocab_size())
    return tf_modules.masked_language.build_masked_language_model(config)


@pytest.fixture
def ids(tokenizer: Any) -> Any:
    rows = [entry.ids for entry in tokenizer.encode_batch(TEXTS)]
    longest = max(map(len, rows))
    return np.array([row + [PAD] * (longest - len(row)) for row in rows], dtype="int32")


def masked(tf_modules: Any, ids: Any, seed: int = 1, rate: float = 0.15) -> tuple[Any, Any, Any]:
    parts = tf_modules.masked_language.mask_tokens(
        tf_modules.tf.constant(ids),
        tf_modules.tf.constant([seed, 0]),
        mask_id=MASK,
        vocabulary=500,
        special_ids=range(5),
        rate=rate,
    )
    return tuple(np.array(part) for part in parts)


@pytest.fixture
def long_ids() -> Any:
    ids = np.random.default_rng(4).integers(5, 500, size=(200, 100)).astype("int32")
    ids[:, 0], ids[:, 80], ids[:, 81:] = CLS, SEP, PAD
    return ids


def test_of_15_percent_80_are_masked_10_replaced_and_10_kept(
    tf_modules: Any, long_ids: Any
) -> None:
    shown, positions, targets = masked(tf_modules, long_ids)
    hidden = shown.reshape(-1)[positions]
    assert len(positions) / (200 * 79) == pytest.approx(0.15, abs=0.01)
    assert np.mean(hidden == MASK) == pytest.approx(0.8, abs=0.03)
    assert np.mean(hidden == targets) == pytest.approx(0.1, abs=0.03)
    others = hidden[(hidden != MASK) & (hidden != targets)]
    assert len(others) / len(hidden) == pytest.approx(0.1, abs=0.03)
    # Replacements come from the whole vocabulary except the special tokens.
    assert others.min() >= 5 and np.ptp(others) > 400


def test_targets_are_the_original_ids_and_other_ids_are_unchanged(
    tf_modules: Any, long_ids: Any
) -> None:
    shown, positions, targets = masked(tf_modules, long_ids)
    np.testing.assert_array_equal(long_ids.reshape(-1)[positions], targets)
    assert targets.min() >= 5
    restored = shown.reshape(-1).copy()
    restored[positions] = targets
    np.testing.assert_array_equal(restored.reshape(long_ids.shape), long_ids)


def test_same_seed_masks_the_same_tokens(tf_modules: Any, long_ids: Any) -> None:
    first, again, other = (masked(tf_modules, long_ids, seed)[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_row_with_words_always_has_a_selected_token(tf_modules: Any) -> None:
    ids = np.array([[CLS, 7, SEP, PAD], [CLS, 8, 9, SEP], [CLS, SEP, PAD, PAD]] * 20, "int32")
    _, positions, _ = masked(tf_modules, ids, rate=0.01)
    assert np.bincount(positions // 4, minlength=60).reshape(-1, 3).tolist() == [[1, 1, 0]] * 20


def test_loss_without_selectable_tokens_has_no_terms(
    tf_modules: Any, model: Any, tokenizer: Any
) -> None:
    loss = tf_modules.masked_language.masked_language_loss(tokenizer)
    ids = tf_modules.tf.constant([[CLS, SEP]])
    total, terms = loss(model, ids, None, tf_modules.tf.constant([1, 2]), training=False)
    assert (float(total), float(terms)) == (0.0, 0.0)


def test_loss_of_random_weights_is_that_of_guessing(
    tf_modules: Any, model: Any, tokenizer: Any, ids: Any
) -> None:
    total, terms = evaluate(tf_modules, model, tokenizer, ids)
    assert total / terms == pytest.approx(math.log(tokenizer.get_vocab_size()), abs=0.1)


def evaluate(tf_modules: Any, model: Any, tokenizer: Any, ids: Any) -> tuple[float, float]:
    loss = tf_modules.masked_language.masked_language_loss(tokenizer)
    seed = tf_modules.tf.constant([8, 9])
    sums = loss(model, tf_modules.tf.constant(ids), None, seed, training=False)
    assert [part.dtype for part in sums] == [tf_modules.tf.float32] * 2
    return float(sums[0]), float(sums[1])


def test_loss_matches_the_formula(tf_modules: Any, model: Any, tokenizer: Any, ids: Any) -> None:
    """Logits of all positions, computed from the parts, equal those of the selected positions."""
    total, terms = evaluate(tf_modules, model, tokenizer, ids)
    shown, positions, targets = tf_modules.masked_language.mask_tokens(
        tf_modules.tf.constant(ids),
        tf_modules.tf.constant([8, 9]),
        mask_id=tokenizer.token_to_id("[MASK]"),
        vocabulary=tokenizer.get_vocab_size(),
        special_ids=range(5),
    )
    states = np.array(model.norm(model.transform(model.backbone(shown))))
    logits = states @ model.backbone.embeddings.token.embeddings.numpy().T + model.bias.numpy()
    logits = logits.reshape(-1, logits.shape[-1])[np.array(positions)]
    log_sums = np.log(np.exp(logits).sum(axis=1))
    expected = log_sums - logits[np.arange(len(logits)), np.array(targets)]
    assert terms == len(expected)
    assert total == pytest.approx(float(expected.sum()), rel=1e-4)


def train(tf_modules: Any, model: Any, tokenizer: Any, ids: Any, steps: int) -> None:
    loss = tf_modules.masked_language.masked_language_loss(tokenizer)
    optimizer = tf_modules.keras.optimizers.Adam(3e-3)
    optimizer.build(model.trainable_variables)
    batch = tf_modules.tf.constant(ids)

    @tf_modules.tf.function
    def step(seed: Any) -> None:
        with tf_modules.tf.GradientTape() as tape:
            total, terms = loss(model, batch, None, seed, training=True)
            mean = total / terms
        values = [variable.value for variable in model.trainable_variables]
        optimizer.apply(tape.gradient(mean, values), model.trainable_variables)

    for number in range(steps):
        step(tf_modules.tf.constant([number, 1]))


def test_training_lowers_the_loss_of_repeated_texts(
    tf_modules: Any, model: Any, tokenizer: Any, ids: Any
) -> None:
    before = np.divide(*evaluate(tf_modules, model, tokenizer, ids))
    train(tf_modules, model, tokenizer, ids, steps=60)
    assert np.divide(*evaluate(tf_modules, model, tokenizer, ids)) < 0.6 * before


@pytest.mark.usefixtures("bfloat16")
def test_training_in_mixed_precision_lowers_a_float32_loss(
    tf_modules: Any, tokenizer: Any, ids: Any
) -> None:
    model = build(tf_modules, tokenizer)
    assert model.backbone.blocks[0].expand.compute_dtype == "bfloat16"
    before = np.divide(*evaluate(tf_modules, model, tokenizer, ids))
    train(tf_modules, model, tokenizer, ids, steps=60)
    assert np.divide(*evaluate(tf_modules, model, tokenizer, ids)) < 0.6 * before


def test_last_layer_reuses_the_token_embeddings(tf_modules: Any, model: Any) -> None:
    vocabulary, width = model.backbone.embeddings.token.embeddings.shape
    large = [v for v in model.trainable_variables if vocabulary in v.shape]
    assert sorted(tuple(v.shape) for v in large) == [(vocabulary,), (vocabulary, width)]
    ids, positions = np.array([[CLS, 6, SEP]], "int32"), np.array([1], "int32")
    before = np.array(model(ids, positions))[0]
    table = model.backbone.embeddings.token.embeddings
    # Token 20 is not among the ids, so its row affects the last layer only.
    table.assign(np.where(np.arange(vocabulary)[:, None] == 20, 3.0 * table, table))
    after = np.array(model(ids, positions))[0]
    assert after[20] == pytest.approx(3.0 * before[20], rel=1e-4)
    np.testing.assert_allclose(np.delete(after, 20), np.delete(before, 20), rtol=1e-5)


def test_pretrained_backbone_is_loaded_into_a_classifier(
    tf_modules: Any, model: Any, tokenizer: Any, ids: Any, tmp_path: Path
) -> None:
    train(tf_modules, model, tokenizer, ids, steps=2)
    config = replace(TINY.model, vocabulary=tokenizer.get_vocab_size())
    save_backbone(tmp_path, model.backbone, config, tokenizer)
    checkpoint = read_pretrained(tmp_path)
    classifier = tf_modules.architecture.build_classifier(replace(config, head_widths=(4,)))
    load_backbone(classifier.backbone, checkpoint)
    np.testing.assert_array_equal(np.array(classifier.backbone(ids)), np.array(model.backbone(ids)))
