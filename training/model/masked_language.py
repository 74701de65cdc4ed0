"""Masked-language pretraining: the backbone learns to predict hidden tokens of unlabelled texts.

Devlin et al. (2019): of the selected tokens 80% become [MASK], 10% another token, 10% stay.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
import tokenizers
from keras import ops

from scoring.input.tokenizer import MASK, SPECIALS
from training.model.architecture import Backbone, dense, gelu, layer_norm
from training.model.loss import Loss
from training.presets import ModelConfig

SELECTED_SHARE = 0.15
# Shares of the selected tokens.
MASKED_SHARE, REPLACED_SHARE = 0.8, 0.1


@keras.saving.register_keras_serializable("plumbline")
class MaskedLanguageModel(keras.Model):  # type: ignore[misc]
    """Backbone and BERT's masked-language head, whose last layer reuses the token embeddings."""

    def __init__(self, config: ModelConfig, **options: Any) -> None:
        super().__init__(**options)
        self.backbone = Backbone(config, name="backbone")
        self.transform = dense(config.width, "transform", gelu)
        self.norm = layer_norm(config, "norm")
        self.bias = self.add_weight(shape=(config.vocabulary,), initializer="zeros", name="bias")

    def call(self, token_ids: Any, selected: Any, training: bool = False) -> Any:
        """Return logits [m, vocabulary] for `selected`: int [m], positions in the flattened ids.

        Only these are computed: with a large vocabulary, logits cost more than the backbone.
        """
        states = self.backbone(token_ids, training=training)
        flat = ops.reshape(states, (-1, states.shape[-1]))
        hidden = self.norm(self.transform(ops.take(flat, selected, axis=0)))
        table = ops.cast(self.backbone.embeddings.token.embeddings, hidden.dtype)
        return ops.matmul(hidden, ops.transpose(table)) + ops.cast(self.bias, hidden.dtype)


def build_masked_language_model(config: ModelConfig) -> MaskedLanguageModel:
    """Build a model with random weights; every variable exists afterwards."""
    model = MaskedLanguageModel(config)
    model(ops.ones((1, 4), dtype="int32"), ops.zeros((1,), dtype="int32"))
    return model


def mask_tokens(
    ids: tf.Tensor,
    seed: tf.Tensor,
    *,
    mask_id: int,
    vocabulary: int,
    special_ids: Sequence[int],
    rate: float = SELECTED_SHARE,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Return masked ids int32 [b, n], the selected positions [m] in them, and the original ids [m].

    A pure function of int32 ids [b, n] and an int32 [2] seed. Positions index the flattened ids.
    Special tokens are neither selected nor inserted. At least one token of each row is selected, if
    it has other tokens, as in BERT's own data.
    """
    ordinary = sorted(set(range(vocabulary)) - set(special_ids))
    shape, seeds = tf.shape(ids), tf.unstack(tf.random.split(seed, 3))
    selection, action = (tf.random.stateless_uniform(shape, seeds[n]) for n in range(2))
    substitute = tf.random.stateless_uniform(shape, seeds[2], 0, len(ordinary), tf.int32)
    selectable = ~tf.reduce_any(ids[..., None] == tf.constant(special_ids, ids.dtype), axis=-1)
    drawn = tf.where(selectable, selection, 1.0)
    lowest = tf.reduce_min(drawn, axis=1, keepdims=True)
    selected = selectable & ((drawn < rate) | (drawn == lowest))
    others = tf.gather(tf.constant(ordinary, ids.dtype), substitute)
    replaced = tf.where(action < MASKED_SHARE + REPLACED_SHARE, others, ids)
    shown = tf.where(action < MASKED_SHARE, mask_id, replaced)
    positions = tf.where(tf.reshape(selected, [-1]))[:, 0]
    targets = tf.gather(tf.reshape(ids, [-1]), positions)
    return tf.where(selected, shown, ids), tf.cast(positions, tf.int32), targets


def masked_language_loss(tokenizer: tokenizers.Tokenizer, rate: float = SELECTED_SHARE) -> Loss:
    """Cross-entropy of the selected tokens in nats: its float32 sum and their number."""
    ids_of = tokenizer.get_vocab()
    special_ids, mask_id = [ids_of[token] for token in SPECIALS], ids_of[MASK]
    vocabulary = len(ids_of)

    def loss(model: Any, ids: Any, labels: Any, seed: Any, training: bool) -> tuple[Any, Any]:
        masked, positions, targets = mask_tokens(
            ids, seed, mask_id=mask_id, vocabulary=vocabulary, special_ids=special_ids, rate=rate
        )
        logits = tf.cast(model(masked, positions, training=training), tf.float32)
        terms = tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits)
        return tf.reduce_sum(terms), tf.cast(tf.size(terms), tf.float32)

    return loss
