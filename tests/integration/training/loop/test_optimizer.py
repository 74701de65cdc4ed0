"""AdamW as specified, with decay decoupled from the gradient."""

from typing import Any

import numpy as np
import pytest

from training.presets import SPEC, TINY

pytestmark = pytest.mark.slow


def test_settings_are_those_of_the_specification(tf_modules: Any) -> None:
    settings = tf_modules.optimizer.make_optimizer(SPEC).get_config()
    assert settings["weight_decay"] == 0.01
    assert (settings["beta_1"], settings["beta_2"], settings["epsilon"]) == (0.9, 0.999, 1e-8)
    assert settings["global_clipnorm"] == 1.0


def test_biases_and_layer_norm_are_not_decayed(tf_modules: Any) -> None:
    model = tf_modules.architecture.build_classifier(TINY.model)
    optimizer = tf_modules.optimizer.make_optimizer(SPEC)
    optimizer.build(model.trainable_variables)
    for variable in model.trainable_variables:
        kernel = variable.path.endswith(("kernel", "embeddings"))
        assert optimizer._use_weight_decay(variable) == kernel, variable.path


def test_decay_is_decoupled_from_the_gradient(tf_modules: Any) -> None:
    """Without a gradient, a kernel shrinks by rate times decay and a bias does not change."""
    optimizer = tf_modules.optimizer.make_optimizer(SPEC)
    kernel, bias = (
        tf_modules.keras.Variable(np.full((2, 2), 2.0, "float32"), name=name)
        for name in ("kernel", "bias")
    )
    optimizer.build([kernel, bias])
    optimizer.learning_rate.assign(0.1)
    optimizer.apply([np.zeros((2, 2), "float32")] * 2, [kernel, bias])
    new_kernel, new_bias = (variable.value.numpy() for variable in (kernel, bias))
    np.testing.assert_allclose(new_kernel, 2.0 * (1 - 0.1 * SPEC.weight_decay), rtol=1e-6)
    np.testing.assert_array_equal(new_bias, 2.0)
