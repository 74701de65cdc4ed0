"""The network itself: its size, its masks, its two ways of computing the last block."""

import warnings
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from training.presets import SPEC, TINY
from training.quiet import quiet_import

pytestmark = pytest.mark.slow

IDS = np.array([[2, 9, 17, 33, 8, 3], [2, 40, 41, 3, 0, 0]], dtype="int32")


@pytest.fixture(scope="module")
def made() -> Any:
    """The training house with TensorFlow in it, imported when the first test needs it."""
    with warnings.catch_warnings(), quiet_import():
        warnings.simplefilter("ignore")
        import keras
        import tensorflow as tf

        from training import fit, model, pipeline, vocabulary
    keras.utils.set_random_seed(3)
    return SimpleNamespace(
        keras=keras, tf=tf, fit=fit, model=model, pipeline=pipeline, vocabulary=vocabulary
    )


@pytest.fixture
def bfloat16(made: Any) -> Iterator[None]:
    made.keras.mixed_precision.set_global_policy("mixed_bfloat16")
    yield
    made.keras.mixed_precision.set_global_policy("float32")


def test_spec_has_96_023_041_parameters(made: Any) -> None:
    assert made.model.build(SPEC.model).count_params() == 96_023_041


def test_padding_changes_nothing(made: Any) -> None:
    model = made.model.build(TINY.model)
    padded = np.array(model(IDS))[1]
    alone = np.array(model(IDS[1:, :4], masked=False))[0]
    np.testing.assert_allclose(padded, alone, atol=1e-5)


def test_the_last_block_for_the_first_token_alone_gives_the_same_vector(made: Any) -> None:
    backbone = made.model.Backbone(replace(TINY.model, layers=2))
    every, first = np.array(backbone(IDS)), np.array(backbone(IDS, first_only=True))
    assert every.shape == (2, 6, TINY.model.width)
    np.testing.assert_allclose(every[:, :1], first, atol=1e-5)


def test_the_order_of_tokens_matters(made: Any) -> None:
    model = made.model.build(TINY.model)
    turned = IDS[:1, [0, 4, 3, 2, 1, 5]]
    assert not np.allclose(np.array(model(IDS[:1])), np.array(model(turned)), atol=1e-6)


def test_dropout_only_while_training(made: Any) -> None:
    model = made.model.build(TINY.model)
    still = [np.array(model(IDS, training=False)) for _ in range(2)]
    moved = [np.array(model(IDS, training=True)) for _ in range(2)]
    np.testing.assert_array_equal(*still)
    assert not np.array_equal(*moved)


def test_decay_is_for_neither_biases_nor_layer_norm(made: Any) -> None:
    model, optimizer = made.model.build(TINY.model), made.fit.optimizer(SPEC)
    optimizer.build(model.trainable_variables)
    for variable in model.trainable_variables:
        kernel = variable.path.endswith(("kernel", "embeddings"))
        assert optimizer._use_weight_decay(variable) == kernel, variable.path


def test_the_optimizer_is_the_specified_one(made: Any) -> None:
    settings = made.fit.optimizer(SPEC).get_config()
    assert settings["weight_decay"] == 0.01
    assert (settings["beta_1"], settings["beta_2"], settings["epsilon"]) == (0.9, 0.999, 1e-8)
    assert settings["global_clipnorm"] == 1.0


def test_smoothed_loss_is_the_formula(made: Any) -> None:
    """Smoothing moves the targets to 0.05 and 0.95."""
    logits = np.array([[2.0], [-1.0]], dtype="float32")
    found = float(made.fit.smoothed_loss(SPEC)(np.array([[1.0], [0.0]]), logits))
    probability = 1.0 / (1.0 + np.exp(-logits[:, 0]))
    target = np.array([0.95, 0.05])
    expected = -np.mean(target * np.log(probability) + (1 - target) * np.log(1 - probability))
    assert found == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.usefixtures("bfloat16")
def test_mixed_precision_trains_with_smoothing_and_answers_in_float32(made: Any) -> None:
    model = made.model.build(TINY.model)
    model.compile(
        optimizer=made.fit.optimizer(SPEC), loss=made.fit.smoothed_loss(SPEC), jit_compile=False
    )
    assert np.isfinite(model.train_on_batch(IDS, np.array([[1.0], [0.0]])))
    assert str(model(IDS).dtype).endswith("float32'>") or "float32" in str(model(IDS).dtype)
    assert "bfloat16" in str(model.backbone.blocks[0].expand.compute_dtype)


@pytest.fixture(scope="module")
def tokenizer(made: Any) -> Any:
    texts = [f"word{n} and other words, call 0{n}" for n in range(50)]
    return made.vocabulary.train_vocabulary(texts, 200, lowercase=True, same_digits=True)


def test_every_digit_is_read_alike(tokenizer: Any) -> None:
    assert tokenizer.encode("call 0871").ids == tokenizer.encode("CALL 1234").ids


def test_batches_are_padded_by_length_and_drawn_anew_each_epoch(made: Any, tokenizer: Any) -> None:
    from training.data import Example

    examples = [Example("call " * (1 + n % 25), n % 2) for n in range(100)]
    config = replace(TINY, mask_rate=0.3, batch=8)
    data = made.pipeline.batches(tokenizer, examples, config, training=True)
    first, second = ([(ids.numpy(), y.numpy()) for ids, y in data] for _ in range(2))
    mask, cls, sep = (tokenizer.token_to_id(name) for name in ("[MASK]", "[CLS]", "[SEP]"))
    for epoch in (first, second):
        assert sum(len(y) for _, y in epoch) == 100
        assert all((ids[:, 0] == cls).all() for ids, _ in epoch)
        assert all(((ids == sep).sum(axis=1) == 1).all() for ids, _ in epoch)
        shown = sum((ids != 0).sum() - 2 * len(ids) for ids, _ in epoch)
        assert sum((ids == mask).sum() for ids, _ in epoch) / shown == pytest.approx(0.3, abs=0.05)
    assert not all(
        a.shape == b.shape and (a == b).all() for (a, _), (b, _) in zip(first, second, strict=False)
    )
    # Buckets end at 16 tokens and so on: within a batch lengths are close.
    assert max((ids == 0).mean() for ids, _ in first) < 0.85


def test_validation_batches_are_whole_and_unmasked(made: Any, tokenizer: Any) -> None:
    from training.data import Example

    examples = [Example(f"word{n} and", n % 2) for n in range(30)]
    config = replace(TINY, mask_rate=0.9)
    data = made.pipeline.batches(tokenizer, examples, config, training=False)
    mask = tokenizer.token_to_id("[MASK]")
    assert sum(len(labels) for _, labels in data) == 30
    assert not any((ids.numpy() == mask).any() for ids, _ in data)


def test_patience_keeps_the_best_epoch(made: Any, tokenizer: Any) -> None:
    from training.data import Example

    examples = [Example(f"word{n} {'call' if n % 2 else 'and'}", n % 2) for n in range(60)]
    flipped = [replace(example, label=1 - example.label) for example in examples]
    config = replace(TINY, epochs=20, patience=2, total_steps=1_000)
    made.keras.utils.set_random_seed(1)
    model = made.model.build(replace(TINY.model, vocabulary=tokenizer.get_vocab_size()))
    train = made.pipeline.batches(tokenizer, examples, config, training=True)
    # What helps on one hurts on the other, so that the first epochs are the best.
    against = made.pipeline.batches(tokenizer, flipped, config, training=False)
    history = made.fit.fit(model, train, against, config)
    assert len(history.loss) == history.best_epoch + 1 + config.patience < config.epochs
    assert made.fit.mean_loss(model, against) == pytest.approx(min(history.validation_loss))


def test_the_last_step_ends_the_run(made: Any, tokenizer: Any) -> None:
    from training.data import Example

    examples = [Example(f"word{n}", n % 2) for n in range(60)]
    config = replace(TINY, epochs=5, total_steps=6)
    model = made.model.build(replace(TINY.model, vocabulary=tokenizer.get_vocab_size()))
    batches = made.pipeline.batches(tokenizer, examples, config, training=True)
    assert made.fit.fit(model, batches, batches, config).steps == 6
