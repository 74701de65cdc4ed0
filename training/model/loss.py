"""Loss functions: a sum over terms and the number of terms, in float32 under any precision."""

from __future__ import annotations

from typing import Any, Protocol

import tensorflow as tf


class Loss(Protocol):
    """`ids` int32 [b, n], `labels` float32 [b, 1], `seed` int32 [2] to (sum, number of terms)."""

    def __call__(
        self, model: Any, ids: Any, labels: Any, seed: Any, training: bool
    ) -> tuple[Any, Any]: ...


def smoothed_cross_entropy(smoothing: float) -> Loss:
    """Binary cross-entropy on logits. Smoothing s moves the targets 0 and 1 to s/2 and 1 - s/2."""

    def loss(model: Any, ids: Any, labels: Any, seed: Any, training: bool) -> tuple[Any, Any]:
        logits = tf.cast(model(ids, training=training), tf.float32)
        targets = labels * (1.0 - smoothing) + 0.5 * smoothing
        terms = tf.nn.sigmoid_cross_entropy_with_logits(targets, logits)
        return tf.reduce_sum(terms), tf.cast(tf.size(terms), tf.float32)

    return loss
