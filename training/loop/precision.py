"""What a run computes in. Weights, loss and sigmoid stay in float32 whatever this says."""

from __future__ import annotations

import keras
import tensorflow as tf

BFLOAT16_SINCE = (8, 0)


def policy(mixed: bool) -> str:
    """Keras's name: bfloat16 where it can be had, else float16 on GPUs older than Ampere."""
    if not mixed:
        return "float32"
    capabilities = [
        tf.config.experimental.get_device_details(gpu).get("compute_capability", BFLOAT16_SINCE)
        for gpu in tf.config.list_physical_devices("GPU")
    ]
    return (
        "mixed_float16"
        if min(capabilities, default=BFLOAT16_SINCE) < BFLOAT16_SINCE
        else ("mixed_bfloat16")
    )


def scaled(optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    """Scale the loss where float16 would lose small gradients (Micikevicius et al., 2018)."""
    if keras.mixed_precision.global_policy().name != "mixed_float16":
        return optimizer
    return keras.optimizers.LossScaleOptimizer(optimizer)
