"""The network itself: its size, its masks, its two ways of computing the last block."""

import warnings
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from training.presets import SPEC, TINY
from training.quiet_import import quiet_import

pytestmark = pytest.mark.slow

IDS = np.array([[2, 9, 17, 33, 8, 3], [2, 40, 41, 3, 0, 0]], dtype="int32")


@pytest.fixture(scope="module")
def made() -> Any:
    """The training house with TensorFlow in it, imported when the first test needs it."""
    with warnings.catch_warnings(), quiet_import():
        warnings.simplefilter("ignore")
        import keras
        import tensorflow as tf

        from training.loop import stepper
        from training.model import architecture, optimizer, precision
    keras.utils.set_random_seed(3)
    return SimpleNamespace(
        keras=keras,
        tf=tf,
        model=architecture,
        optimizer=optimizer,
        precision=precision,
        stepper=stepper,
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
    backbone = made.model.Backbone(TINY.model)
    turned = IDS[:1, [0, 4, 3, 2, 1, 5]]
    states = [np.array(backbone(ids, first_only=True)) for ids in (IDS[:1], turned)]
    assert not np.allclose(*states, atol=1e-4)


def test_dropout_only_while_training(made: Any) -> None:
    model = made.model.build(TINY.model)
    still = [np.array(model(IDS, training=False)) for _ in range(2)]
    moved = [np.array(model(IDS, training=True)) for _ in range(2)]
    np.testing.assert_array_equal(*still)
    assert not np.array_equal(*moved)


def test_decay_is_for_neither_biases_nor_layer_norm(made: Any) -> None:
    model, optimizer = made.model.build(TINY.model), made.optimizer.make_optimizer(SPEC)
    optimizer.build(model.trainable_variables)
    for variable in model.trainable_variables:
        kernel = variable.path.endswith(("kernel", "embeddings"))
        assert optimizer._use_weight_decay(variable) == kernel, variable.path


def test_decay_is_decoupled_from_the_gradient(made: Any) -> None:
    """Without a gradient a kernel shrinks by rate times decay, and nothing else moves."""
    optimizer = made.optimizer.make_optimizer(SPEC)
    kernel, bias = (
        made.keras.Variable(np.full((2, 2), 2.0, "float32"), name=name)
        for name in ("kernel", "bias")
    )
    optimizer.build([kernel, bias])
    optimizer.learning_rate.assign(0.1)
    optimizer.apply([np.zeros((2, 2), "float32")] * 2, [kernel, bias])
    found_kernel, found_bias = (variable.value.numpy() for variable in (kernel, bias))
    np.testing.assert_allclose(found_kernel, 2.0 * (1 - 0.1 * SPEC.weight_decay), rtol=1e-6)
    np.testing.assert_array_equal(found_bias, 2.0)


def test_the_optimizer_is_the_specified_one(made: Any) -> None:
    settings = made.optimizer.make_optimizer(SPEC).get_config()
    assert settings["weight_decay"] == 0.01
    assert (settings["beta_1"], settings["beta_2"], settings["epsilon"]) == (0.9, 0.999, 1e-8)
    assert settings["global_clipnorm"] == 1.0


def test_smoothed_loss_is_the_formula(made: Any) -> None:
    """Smoothing moves the targets to 0.05 and 0.95."""
    from training.model.loss import smoothed_cross_entropy

    logits = np.array([[2.0], [-1.0]], dtype="float32")
    labels = np.array([[1.0], [0.0]], dtype="float32")
    total, terms = smoothed_cross_entropy(SPEC.label_smoothing)(
        lambda ids, training: logits, None, labels, None, True
    )
    probability = 1.0 / (1.0 + np.exp(-logits[:, 0]))
    target = np.array([0.95, 0.05])
    expected = -np.sum(target * np.log(probability) + (1 - target) * np.log(1 - probability))
    assert float(terms) == 2.0
    assert float(total) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.usefixtures("bfloat16")
def test_mixed_precision_trains_with_smoothing_and_answers_in_float32(made: Any) -> None:
    from training.model.loss import smoothed_cross_entropy

    made.keras.utils.set_random_seed(3)
    stepper = made.stepper.Stepper(
        lambda: made.model.build(TINY.model), smoothed_cross_entropy(0.1), TINY
    )
    labels = made.tf.constant([[1.0], [0.0]])
    losses = [stepper.train(made.tf.constant(IDS), labels, (0, 0), 5e-3)[0] for _ in range(100)]
    assert np.mean(losses[-10:]) < 0.7 * losses[0]
    assert "float32" in str(stepper.model(IDS).dtype)
    assert "bfloat16" in str(stepper.model.backbone.blocks[0].expand.compute_dtype)
    assert {str(weight.dtype) for weight in stepper.model.weights} == {"float32"}


def test_the_policy_is_float16_only_on_gpus_that_lack_bfloat16(
    made: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert made.precision.policy(mixed=False) == "float32"
    assert made.precision.policy(mixed=True) == "mixed_bfloat16"
    config = made.tf.config
    monkeypatch.setattr(config, "list_physical_devices", lambda kind: ["a GPU"])
    for capability, expected in (((7, 5), "mixed_float16"), ((9, 0), "mixed_bfloat16")):
        details = {"compute_capability": capability}
        monkeypatch.setattr(
            config.experimental, "get_device_details", lambda gpu, details=details: details
        )
        assert made.precision.policy(mixed=True) == expected


def test_float16_scales_its_loss_and_still_learns(made: Any) -> None:
    from training.model.loss import smoothed_cross_entropy

    made.keras.utils.set_random_seed(3)
    made.keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        stepper = made.stepper.Stepper(
            lambda: made.model.build(TINY.model), smoothed_cross_entropy(0.1), TINY
        )
    finally:
        made.keras.mixed_precision.set_global_policy("float32")
    labels = made.tf.constant([[1.0], [0.0]])
    losses = [stepper.train(made.tf.constant(IDS), labels, (0, 0), 5e-3)[0] for _ in range(100)]
    assert np.mean(losses[-10:]) < 0.7 * losses[0]
    assert type(stepper._optimizer).__name__ == "LossScaleOptimizer"
