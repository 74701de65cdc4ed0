"""The AdamW optimizer, configured as specified."""

from __future__ import annotations

from typing import Any

import keras

from training.loop.schedule import learning_rate
from training.presets import TrainingConfig

# Parts of variable names: biases and LayerNorm's two vectors.
NOT_DECAYED = ("bias", "gamma", "beta")


def make_optimizer(config: TrainingConfig, devices: int = 1) -> Any:
    """AdamW with decoupled decay (Loshchilov and Hutter, 2019), none on biases and LayerNorm.

    Several devices each apply their share of the summed gradient, so the clip norm is divided as
    well: clipping is by the global norm of the whole batch's gradient.
    """
    optimizer = keras.optimizers.AdamW(
        learning_rate=learning_rate(0, config),
        weight_decay=config.weight_decay,
        beta_1=config.beta_1,
        beta_2=config.beta_2,
        epsilon=config.epsilon,
        global_clipnorm=config.clip_norm / devices,
    )
    optimizer.exclude_from_weight_decay(var_names=list(NOT_DECAYED))
    return optimizer
