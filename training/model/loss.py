"""What a batch adds to the loss and to F1, in float32 under any precision."""

from __future__ import annotations

from typing import Any, Protocol

import tensorflow as tf


class Loss(Protocol):
    """`ids` int32 [b, n], `labels` float32 [b, 1], `seed` int32 [2] to (sum, number of terms)."""

    def __call__(
        self, model: Any, ids: Any, labels: Any, seed: Any, training: bool
    ) -> tuple[Any, Any]: ...


class Confusion(Protocol):
    """`ids` int32 [b, n], `labels` float32 [b, 1] to float32 [3]: tp, fp and fn at 0.5."""

    def __call__(self, model: Any, ids: Any, labels: Any) -> Any: ...


def smoothed_cross_entropy(smoothing: float) -> Loss:
    """Binary cross-entropy on logits. Smoothing s moves the targets 0 and 1 to s/2 and 1 - s/2."""

    def loss(model: Any, ids: Any, labels: Any, seed: Any, training: bool) -> tuple[Any, Any]:
        logits = tf.cast(model(ids, training=training), tf.float32)
        targets = labels * (1.0 - smoothing) + 0.5 * smoothing
        terms = tf.nn.sigmoid_cross_entropy_with_logits(targets, logits)
        return tf.reduce_sum(terms), tf.cast(tf.size(terms), tf.float32)

    return loss


def confusion(model: Any, ids: Any, labels: Any) -> Any:
    """Count true positives, false positives and false negatives. A logit of 0 is positive."""
    predicted = tf.cast(tf.cast(model(ids, training=False), tf.float32) >= 0.0, tf.float32)
    hits = tf.reduce_sum(predicted * labels)
    return tf.stack([hits, tf.reduce_sum(predicted) - hits, tf.reduce_sum(labels) - hits])
