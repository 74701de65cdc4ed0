"""A DistilBERT-style encoder and its head, written in keras.ops only, so any Keras backend runs it.

Sanh et al. (2019): BERT's post-norm blocks, without token types and pooler. [PAD] is token 0.
"""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import layers, ops

from training.presets import ModelConfig

INITIALIZER_STDDEV = 0.02


def dense(width: int, name: str, activation: Any = None) -> Any:
    initializer = keras.initializers.TruncatedNormal(stddev=INITIALIZER_STDDEV)
    return layers.Dense(width, activation=activation, kernel_initializer=initializer, name=name)


def layer_norm(config: ModelConfig, name: str) -> Any:
    return layers.LayerNormalization(epsilon=config.layer_norm_epsilon, name=name)


def gelu(x: Any) -> Any:
    """Exact GELU, as in BERT: x times the distribution function of the standard normal."""
    return ops.gelu(x, approximate=False)


@keras.saving.register_keras_serializable("plumbline")
class Embeddings(layers.Layer):  # type: ignore[misc]
    """Sum of token and learned position embeddings, normalised: ids [b, n] to [b, n, width]."""

    def __init__(self, config: ModelConfig, **options: Any) -> None:
        super().__init__(**options)
        initializer = keras.initializers.TruncatedNormal(stddev=INITIALIZER_STDDEV)
        self.token = layers.Embedding(
            config.vocabulary, config.width, embeddings_initializer=initializer, name="token"
        )
        self.position = layers.Embedding(
            config.max_tokens, config.width, embeddings_initializer=initializer, name="position"
        )
        self.norm = layer_norm(config, "norm")
        self.dropout = layers.Dropout(config.dropout)

    def call(self, token_ids: Any, training: bool = False) -> Any:
        positions = ops.arange(ops.shape(token_ids)[1])
        summed = self.token(token_ids) + self.position(positions)[None]
        return self.dropout(self.norm(summed), training=training)


@keras.saving.register_keras_serializable("plumbline")
class Attention(layers.Layer):  # type: ignore[misc]
    """Multi-head attention: queries [b, m, w] and states [b, n, w] to [b, m, w]."""

    def __init__(self, config: ModelConfig, **options: Any) -> None:
        super().__init__(**options)
        self.heads = config.heads
        self.size = config.width // config.heads
        self.query = dense(config.width, "query")
        self.key = dense(config.width, "key")
        self.value = dense(config.width, "value")
        self.output_projection = dense(config.width, "output")
        self.dropout = layers.Dropout(config.dropout)

    def call(self, queries: Any, states: Any, visible: Any = None, training: bool = False) -> Any:
        query, key, value = (
            self._split(project(x))
            for project, x in ((self.query, queries), (self.key, states), (self.value, states))
        )
        weights = ops.matmul(query, ops.swapaxes(key, 2, 3)) / math.sqrt(self.size)
        if visible is not None:
            # -30000 fits into float16, which ends at 65504, and is 0 after any softmax.
            weights = (
                weights + (1.0 - ops.cast(visible, weights.dtype))[:, None, None, :] * -30_000.0
            )
        weights = self.dropout(ops.softmax(weights), training=training)
        joined = ops.swapaxes(ops.matmul(weights, value), 1, 2)
        flat = (ops.shape(joined)[0], ops.shape(joined)[1], self.heads * self.size)
        return self.output_projection(ops.reshape(joined, flat))

    def _split(self, x: Any) -> Any:
        split = (ops.shape(x)[0], ops.shape(x)[1], self.heads, self.size)
        return ops.swapaxes(ops.reshape(x, split), 1, 2)


@keras.saving.register_keras_serializable("plumbline")
class Block(layers.Layer):  # type: ignore[misc]
    """Attention, add, norm; feed-forward, add, norm."""

    def __init__(self, config: ModelConfig, **options: Any) -> None:
        super().__init__(**options)
        self.attention = Attention(config, name="attention")
        self.attention_norm = layer_norm(config, "attention_norm")
        self.expand = dense(config.intermediate, "expand", gelu)
        self.contract = dense(config.width, "contract")
        self.output_norm = layer_norm(config, "output_norm")
        self.dropout = layers.Dropout(config.dropout)

    def call(
        self, x: Any, visible: Any = None, first_only: bool = False, training: bool = False
    ) -> Any:
        queries = x[:, :1] if first_only else x
        attended = self.attention(queries, x, visible=visible, training=training)
        x = self.attention_norm(queries + self.dropout(attended, training=training))
        fed = self.contract(self.expand(x))
        return self.output_norm(x + self.dropout(fed, training=training))


@keras.saving.register_keras_serializable("plumbline")
class Backbone(layers.Layer):  # type: ignore[misc]
    """Token ids [b, n] to hidden states [b, n, width].

    With `first_only` the last block is computed for the first token only, [b, 1, width]: the head
    reads no other token, and this saves a sixth of the time at 512 tokens.
    """

    def __init__(self, config: ModelConfig, **options: Any) -> None:
        super().__init__(**options)
        self.embeddings = Embeddings(config, name="embeddings")
        self.blocks = [Block(config, name=f"block_{n}") for n in range(config.layers)]

    def call(
        self, token_ids: Any, masked: bool = True, first_only: bool = False, training: bool = False
    ) -> Any:
        visible = ops.not_equal(token_ids, 0) if masked else None
        x = self.embeddings(token_ids, training=training)
        for block in self.blocks[:-1]:
            x = block(x, visible=visible, training=training)
        return self.blocks[-1](x, visible=visible, first_only=first_only, training=training)


@keras.saving.register_keras_serializable("plumbline")
class Classifier(keras.Model):  # type: ignore[misc]
    """Backbone and head: token ids [b, n] to the positive label's logit [b, 1], in float32.

    Callers apply temperature and sigmoid, in this order.
    """

    def __init__(self, config: ModelConfig, **options: Any) -> None:
        super().__init__(**options)
        self.backbone = Backbone(config, name="backbone")
        self.head = [
            layer
            for n, width in enumerate(config.head_widths)
            for layer in (dense(width, f"head_{n}", "relu"), layers.Dropout(config.head_dropout))
        ]
        self.logit = layers.Dense(1, dtype="float32", name="logit")

    def call(self, token_ids: Any, masked: bool = True, training: bool = False) -> Any:
        states = self.backbone(token_ids, masked=masked, first_only=True, training=training)
        x = states[:, 0]
        for layer in self.head:
            x = layer(x, training=training) if isinstance(layer, layers.Dropout) else layer(x)
        return self.logit(x)


def build_classifier(config: ModelConfig) -> Classifier:
    """Build a classifier with random weights; every variable exists afterwards."""
    model = Classifier(config)
    model(ops.ones((1, 4), dtype="int32"))
    return model
