"""Small changes to token ids while training, drawn anew each epoch and never on validation.

Tokens are dropped, neighbours swapped (Wei and Zou, 2019: EDA) and some hidden behind [MASK], so
that no single word decides. All three are pure functions of the ids and a seed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import tensorflow as tf
import tokenizers

from scoring.input.tokenizer import CLS, MASK, PAD, SEP, SPECIALS, UNKNOWN


@dataclass(frozen=True, slots=True)
class Specials:
    """Ids of the tokens that are no words. `fixed` ones neither move nor go."""

    mask: int
    unknown: int
    fixed: tuple[int, ...]

    @classmethod
    def of(cls, tokenizer: tokenizers.Tokenizer) -> Specials:
        ids = {token: tokenizer.token_to_id(token) for token in SPECIALS}
        known = {token: number for token, number in ids.items() if number is not None}
        return cls(known[MASK], known[UNKNOWN], (known[PAD], known[CLS], known[SEP]))


@dataclass(frozen=True, slots=True)
class Augmentation:
    """Shares of a text's tokens that are dropped, swapped with the next one, and hidden."""

    drop_rate: float = 0.0
    swap_rate: float = 0.0
    mask_rate: float = 0.0

    def __call__(self, ids: tf.Tensor, seed: tf.Tensor, specials: Specials) -> tf.Tensor:
        """Change int32 ids [b, n]; `seed` is int32 [2]. What is dropped becomes padding."""
        steps: tuple[tuple[float, Callable[..., Any]], ...] = (
            (self.drop_rate, drop),
            (self.swap_rate, swap),
            (self.mask_rate, mask),
        )
        for number, (rate, change) in enumerate(steps):
            if rate > 0.0:
                ids = change(ids, tf.add(seed, [0, number * 7_919]), rate, specials)
        return ids


def mask(ids: tf.Tensor, seed: tf.Tensor, rate: float, specials: Specials) -> tf.Tensor:
    words = _words(ids, specials) & (ids != specials.unknown)
    return tf.where(_drawn(ids, seed, rate) & words, specials.mask, ids)


def drop(ids: tf.Tensor, seed: tf.Tensor, rate: float, specials: Specials) -> tf.Tensor:
    """Take tokens out and close the gaps; a text always keeps its first word."""
    first = tf.range(tf.shape(ids)[1])[None] == 1
    gone = _drawn(ids, seed, rate) & _words(ids, specials) & ~first
    kept_first = tf.argsort(tf.cast(gone, tf.int32), axis=1, stable=True)
    return tf.gather(tf.where(gone, 0, ids), kept_first, batch_dims=1)


def swap(ids: tf.Tensor, seed: tf.Tensor, rate: float, specials: Specials) -> tf.Tensor:
    """Swap neighbours. Pairs begin at even or at odd places, so none meets another."""
    places = tf.range(tf.shape(ids)[1])
    parity = tf.random.stateless_uniform([], tf.add(seed, [1, 0]), 0, 2, tf.int32)
    begins = (places % 2 == parity)[None] & _words(ids, specials)
    following_is_word = tf.pad(_words(ids, specials)[:, 1:], [[0, 0], [0, 1]])
    # Each place is in one pair and each swap moves two tokens, so the rate is that of the pair.
    left = begins & following_is_word & _drawn(ids, seed, rate)
    right = tf.pad(left[:, :-1], [[0, 0], [1, 0]])
    source = places[None] + tf.cast(left, tf.int32) - tf.cast(right, tf.int32)
    return tf.gather(ids, source, batch_dims=1)


def _words(ids: tf.Tensor, specials: Specials) -> tf.Tensor:
    fixed = tf.constant(specials.fixed, dtype=ids.dtype)
    return ~tf.reduce_any(ids[..., None] == fixed, axis=-1)


def _drawn(ids: tf.Tensor, seed: tf.Tensor, rate: float) -> tf.Tensor:
    return tf.random.stateless_uniform(tf.shape(ids), seed) < rate
