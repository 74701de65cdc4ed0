"""Pretraining on unlabelled texts: hide some tokens, have the backbone say what they were.

Devlin et al. (2019): of the tokens chosen 80% become [MASK], 10% another token, 10% stay.
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

RATE = 0.15
MASKED, REPLACED = 0.8, 0.1


@keras.saving.register_keras_serializable("plumbline")
class MaskedLanguageModel(keras.Model):  # type: ignore[misc]
    """Backbone and BERT's masked-language head, whose last layer is the token embeddings' own."""

    def __init__(self, config: ModelConfig, **options: Any) -> None:
        super().__init__(**options)
        self.backbone = Backbone(config, name="backbone")
        self.transform = dense(config.width, "transform", gelu)
        self.norm = layer_norm(config, "norm")
        self.bias = self.add_weight(shape=(config.vocabulary,), initializer="zeros", name="bias")

    def call(self, token_ids: Any, selected: Any, training: bool = False) -> Any:
        """Logits [m, vocabulary] of `selected`: int [m], places in the flattened ids [b, n].

        Elsewhere none are computed: with a large vocabulary they cost more than the backbone.
        """
        states = self.backbone(token_ids, training=training)
        flat = ops.reshape(states, (-1, states.shape[-1]))
        chosen = self.norm(self.transform(ops.take(flat, selected, axis=0)))
        table = ops.cast(self.backbone.embeddings.token.embeddings, chosen.dtype)
        return ops.matmul(chosen, ops.transpose(table)) + ops.cast(self.bias, chosen.dtype)


def build_masked_language(config: ModelConfig) -> MaskedLanguageModel:
    """A model with fresh weights, all of them made."""
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
    rate: float = RATE,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Masked ids, int32 [b, n]; the places chosen in them flattened, and what stood there, [m].

    A pure function of int32 ids [b, n] and an int32 [2] seed. Special tokens are neither chosen nor
    put anywhere. Of each row with other tokens at least one is chosen, as in BERT's own data.
    """
    ordinary = sorted(set(range(vocabulary)) - set(special_ids))
    shape, seeds = tf.shape(ids), tf.unstack(tf.random.split(seed, 3))
    which, how = (tf.random.stateless_uniform(shape, seeds[n]) for n in range(2))
    what = tf.random.stateless_uniform(shape, seeds[2], 0, len(ordinary), tf.int32)
    hideable = ~tf.reduce_any(ids[..., None] == tf.constant(special_ids, ids.dtype), axis=-1)
    drawn = tf.where(hideable, which, 1.0)
    lowest = tf.reduce_min(drawn, axis=1, keepdims=True)
    chosen = hideable & ((drawn < rate) | (drawn == lowest))
    others = tf.gather(tf.constant(ordinary, ids.dtype), what)
    shown = tf.where(how < MASKED, mask_id, tf.where(how < MASKED + REPLACED, others, ids))
    places = tf.where(tf.reshape(chosen, [-1]))[:, 0]
    targets = tf.gather(tf.reshape(ids, [-1]), places)
    return tf.where(chosen, shown, ids), tf.cast(places, tf.int32), targets


def masked_language_loss(tokenizer: tokenizers.Tokenizer, rate: float = RATE) -> Loss:
    """Cross-entropy, in nats, of the tokens hidden: its float32 sum and how many there were."""
    ids_of = tokenizer.get_vocab()
    special_ids, mask_id = [ids_of[token] for token in SPECIALS], ids_of[MASK]
    vocabulary = len(ids_of)

    def loss(model: Any, ids: Any, labels: Any, seed: Any, training: bool) -> tuple[Any, Any]:
        masked, places, targets = mask_tokens(
            ids, seed, mask_id=mask_id, vocabulary=vocabulary, special_ids=special_ids, rate=rate
        )
        logits = tf.cast(model(masked, places, training=training), tf.float32)
        terms = tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits)
        return tf.reduce_sum(terms), tf.cast(tf.size(terms), tf.float32)

    return loss
