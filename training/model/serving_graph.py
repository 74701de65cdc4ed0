"""The network as it is served: one text without padding, computed from a classifier's variables.

The result is that of Classifier with masked=False. The operations are those that LiteRT hands to
XNNPACK as one piece: matrices [n, width] instead of batches, constant shapes, no masks, and the
scale of attention multiplied into the query's weights, where the converter folds it.

int8_weights finds weights again by the names of the scopes, which are those of the layers.
"""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf

from training.model.architecture import Attention, Block, Classifier, Embeddings

# In place of "query": kernel and bias are multiplied by 1 / sqrt(size of a head).
SCALED_QUERY = "scaled_query"


def serving_logit(model: Classifier, token_ids: tf.Tensor) -> tf.Tensor:
    """Map int32 ids [1, n] to the logit, float32 [1, 1]. The model computes in float32."""
    backbone = model.backbone
    with tf.name_scope("backbone"):
        x = _embed(backbone.embeddings, token_ids[0])
        for number, block in enumerate(backbone.blocks, start=1):
            # The head reads the first token only.
            x = _block(block, x, first_only=number == len(backbone.blocks))
    for layer in model.head:
        if hasattr(layer, "kernel"):
            x = tf.nn.relu(_dense(layer, x))
    return _dense(model.logit, x)


def _embed(embeddings: Embeddings, token_ids: tf.Tensor) -> tf.Tensor:
    """Ids [n] to [n, width]."""
    with tf.name_scope("embeddings"):
        tokens = tf.gather(embeddings.token.embeddings, token_ids)
        # A slice keeps the positions in float32: the converter rounds what is gathered to int8.
        positions = tf.convert_to_tensor(embeddings.position.embeddings)[: tf.shape(token_ids)[0]]
        return _norm(embeddings.norm, tokens + positions)


def _block(block: Block, x: tf.Tensor, first_only: bool) -> tf.Tensor:
    """[n, width] to the same, or to [1, width] if only the first token's state is needed."""
    with tf.name_scope(block.name):
        queries = x[:1] if first_only else x
        x = _norm(block.attention_norm, queries + _attend(block.attention, queries, x))
        expanded = tf.nn.gelu(_dense(block.expand, x), approximate=False)
        return _norm(block.output_norm, x + _dense(block.contract, expanded))


def _attend(attention: Attention, queries: tf.Tensor, states: tf.Tensor) -> tf.Tensor:
    """Queries [m, width] and states [n, width] to [m, width]."""

    def split(x: tf.Tensor) -> tf.Tensor:
        """[n, width] to [heads, n, size]."""
        return tf.transpose(tf.reshape(x, [-1, attention.heads, attention.size]), [1, 0, 2])

    with tf.name_scope(attention.name):
        scale = 1.0 / math.sqrt(attention.size)
        query = split(_dense(attention.query, queries, SCALED_QUERY, scale))
        key, value = split(_dense(attention.key, states)), split(_dense(attention.value, states))
        weights = tf.nn.softmax(tf.matmul(query, key, transpose_b=True))
        joined = tf.transpose(tf.matmul(weights, value), [1, 0, 2])
        flat = tf.reshape(joined, [-1, attention.heads * attention.size])
        return _dense(attention.output_projection, flat)


def _dense(layer: Any, x: tf.Tensor, name: str = "", scale: float = 1.0) -> tf.Tensor:
    with tf.name_scope(name or layer.name):
        kernel, bias = (tf.convert_to_tensor(v) for v in (layer.kernel, layer.bias))
        if scale != 1.0:
            kernel, bias = kernel * scale, bias * scale
        return tf.nn.bias_add(tf.matmul(x, kernel), bias)


def _norm(layer: Any, x: tf.Tensor) -> tf.Tensor:
    with tf.name_scope(layer.name):
        centred = x - tf.reduce_mean(x, axis=-1, keepdims=True)
        variance = tf.reduce_mean(tf.square(centred), axis=-1, keepdims=True)
        inverse = tf.math.rsqrt(variance + layer.epsilon)
        # The reshaping gives the constants names.
        gamma, beta = (tf.reshape(v, [1, -1]) for v in (layer.gamma, layer.beta))
        return centred * inverse * gamma + beta
