"""From labelled texts to padded batches, with tf.data: shuffled, bucketed by length, prefetched."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tokenizers

from scoring.tokenizer import CLS, MASK, PAD, SEP, UNKNOWN
from training.data import Example
from training.presets import TrainingConfig

BUCKETS = (16, 24, 32, 48, 64, 96, 128, 192, 256, 384)


def encode(
    tokenizer: tokenizers.Tokenizer, texts: Sequence[str], max_tokens: int
) -> list[np.ndarray[Any, np.dtype[np.int32]]]:
    """Token ids of each text, specials included, cut at `max_tokens`; encoded in parallel."""
    cls, sep = tokenizer.token_to_id(CLS), tokenizer.token_to_id(SEP)
    encoded = tokenizer.encode_batch(list(texts), add_special_tokens=False)
    return [np.array([cls, *entry.ids[: max_tokens - 2], sep], dtype=np.int32) for entry in encoded]


def batches(
    tokenizer: tokenizers.Tokenizer,
    examples: Sequence[Example],
    config: TrainingConfig,
    *,
    training: bool,
) -> tf.data.Dataset:
    """Batches of (ids [b, n] padded with 0, labels [b, 1]).

    For training they are shuffled and masked anew each epoch; else they come in order.
    """
    rows = encode(tokenizer, [e.text for e in examples], config.train_tokens)
    ids = tf.ragged.constant([row.tolist() for row in rows], dtype=tf.int32)
    labels = tf.constant([[float(e.label)] for e in examples])
    data = tf.data.Dataset.from_tensor_slices((ids, labels))
    if training:
        data = data.shuffle(len(examples), seed=config.seed, reshuffle_each_iteration=True)
    # A slice of a ragged tensor is dense, but only a map makes its type say so.
    data = data.map(lambda row, label: (tf.identity(row), label))
    edges = [edge for edge in BUCKETS if edge < config.train_tokens]
    data = data.bucket_by_sequence_length(
        lambda row, label: tf.shape(row)[0],
        bucket_boundaries=[edge + 1 for edge in edges],
        bucket_batch_sizes=[config.batch] * (len(edges) + 1),
        padded_shapes=([None], [1]),
    )
    if training and config.mask_rate:
        data = masked(data, tokenizer, config)
    return data.prefetch(tf.data.AUTOTUNE)


def masked(
    data: tf.data.Dataset, tokenizer: tokenizers.Tokenizer, config: TrainingConfig
) -> tf.data.Dataset:
    """Hide a share of each batch's tokens, never its special ones; other ones each epoch."""
    hidden = tokenizer.token_to_id(MASK)
    kept = tf.constant([tokenizer.token_to_id(token) for token in (PAD, UNKNOWN, CLS, SEP)])
    seeds = tf.data.Dataset.random(seed=config.seed, rerandomize_each_iteration=True).batch(2)

    def mask(batch: tuple[Any, Any], seed: Any) -> tuple[Any, Any]:
        ids, labels = batch
        drawn = tf.random.stateless_uniform(tf.shape(ids), seed) < config.mask_rate
        special = tf.reduce_any(ids[..., None] == kept, axis=-1)
        return tf.where(drawn & ~special, hidden, ids), labels

    return tf.data.Dataset.zip(data, seeds).map(mask, tf.data.AUTOTUNE)
