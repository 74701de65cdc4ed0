"""Random changes to the token ids of training texts, drawn anew in each epoch.

Tokens are dropped, swapped with their neighbours (Wei and Zou, 2019: EDA) or masked, so that the
model does not rely on single words. Each change is a pure function of the ids and a seed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import tensorflow as tf
import tokenizers

from scoring.input.tokenizer import CLS, MASK, PAD, SEP, SPECIALS, UNKNOWN


@dataclass(frozen=True, slots=True)
class SpecialTokens:
    """Ids of the special tokens. The `fixed` ones are never moved, dropped or masked."""

    mask: int
    unknown: int
    fixed: tuple[int, ...]

    @classmethod
    def of(cls, tokenizer: tokenizers.Tokenizer) -> SpecialTokens:
        ids = {token: tokenizer.token_to_id(token) for token in SPECIALS}
        known = {token: number for token, number in ids.items() if number is not None}
        return cls(known[MASK], known[UNKNOWN], (known[PAD], known[CLS], known[SEP]))


@dataclass(frozen=True, slots=True)
class Augmentation:
    """Shares of a text's tokens that are dropped, swapped with the next token, and masked."""

    drop_rate: float = 0.0
    swap_rate: float = 0.0
    mask_rate: float = 0.0

    def __call__(self, ids: tf.Tensor, seed: tf.Tensor, special_tokens: SpecialTokens) -> tf.Tensor:
        """Change int32 ids [b, n], given an int32 [2] seed. Dropped tokens become padding."""
        steps: tuple[tuple[float, Callable[..., Any]], ...] = (
            (self.drop_rate, drop),
            (self.swap_rate, swap),
            (self.mask_rate, mask),
        )
        for number, (rate, change) in enumerate(steps):
            if rate > 0.0:
                ids = change(ids, tf.add(seed, [0, number * 7_919]), rate, special_tokens)
        return ids


def mask(ids: tf.Tensor, seed: tf.Tensor, rate: float, special_tokens: SpecialTokens) -> tf.Tensor:
    words = _words(ids, special_tokens) & (ids != special_tokens.unknown)
    return tf.where(_drawn(ids, seed, rate) & words, special_tokens.mask, ids)


def drop(ids: tf.Tensor, seed: tf.Tensor, rate: float, special_tokens: SpecialTokens) -> tf.Tensor:
    """Remove tokens and close the gaps; a text always keeps its first word."""
    first = tf.range(tf.shape(ids)[1])[None] == 1
    dropped = _drawn(ids, seed, rate) & _words(ids, special_tokens) & ~first
    kept_first = tf.argsort(tf.cast(dropped, tf.int32), axis=1, stable=True)
    return tf.gather(tf.where(dropped, 0, ids), kept_first, batch_dims=1)


def swap(ids: tf.Tensor, seed: tf.Tensor, rate: float, special_tokens: SpecialTokens) -> tf.Tensor:
    """Swap neighbours. Pairs all begin at even or all at odd positions, so they never overlap."""
    positions = tf.range(tf.shape(ids)[1])
    parity = tf.random.stateless_uniform([], tf.add(seed, [1, 0]), 0, 2, tf.int32)
    begins = (positions % 2 == parity)[None] & _words(ids, special_tokens)
    following_is_word = tf.pad(_words(ids, special_tokens)[:, 1:], [[0, 0], [0, 1]])
    # Each position is in one pair and each swap moves two tokens, so `rate` applies per pair.
    left = begins & following_is_word & _drawn(ids, seed, rate)
    right = tf.pad(left[:, :-1], [[0, 0], [1, 0]])
    source = positions[None] + tf.cast(left, tf.int32) - tf.cast(right, tf.int32)
    return tf.gather(ids, source, batch_dims=1)


def _words(ids: tf.Tensor, special_tokens: SpecialTokens) -> tf.Tensor:
    fixed = tf.constant(special_tokens.fixed, dtype=ids.dtype)
    return ~tf.reduce_any(ids[..., None] == fixed, axis=-1)


def _drawn(ids: tf.Tensor, seed: tf.Tensor, rate: float) -> tf.Tensor:
    return tf.random.stateless_uniform(tf.shape(ids), seed) < rate
