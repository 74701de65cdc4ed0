"""The precision a run computes in. Weights, loss and sigmoid are float32 in any case."""

from __future__ import annotations

import keras
import tensorflow as tf

# Ampere, the first NVIDIA generation with bfloat16.
BFLOAT16_SINCE = (8, 0)


def precision_policy(mixed: bool) -> str:
    """Return Keras's policy name: bfloat16 if all GPUs support it, otherwise float16."""
    if not mixed:
        return "float32"
    capabilities = [
        tf.config.experimental.get_device_details(gpu).get("compute_capability", BFLOAT16_SINCE)
        for gpu in tf.config.list_physical_devices("GPU")
    ]
    supported = min(capabilities, default=BFLOAT16_SINCE) >= BFLOAT16_SINCE
    return "mixed_bfloat16" if supported else "mixed_float16"


def with_loss_scaling(optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    """Scale the loss if float16 would lose small gradients (Micikevicius et al., 2018)."""
    if keras.mixed_precision.global_policy().name != "mixed_float16":
        return optimizer
    return keras.optimizers.LossScaleOptimizer(optimizer)
