"""Padded batches of token ids, prepared by tf.data in parallel with the training step."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from training.data.augmentation import Augmentation, SpecialTokens
from training.data.batch_order import ordered_batches, shuffled_batches
from training.data.tokenization import TokenRows

PREFETCHED_BATCHES = 8


class Batches:
    """Batches of (ids int32 [b, n] padded with 0, labels float32 [b, 1], seed int32 [2])."""

    def __init__(
        self,
        rows: TokenRows,
        labels: Sequence[float],
        *,
        batch: int,
        seed: int,
        special_tokens: SpecialTokens,
        augmentation: Augmentation | None = None,
    ) -> None:
        self._lengths = rows.lengths
        self._ids = tf.RaggedTensor.from_row_splits(rows.ids, rows.starts, validate=False)
        self._labels = tf.constant(np.asarray(labels, dtype=np.float32)[:, None])
        self._batch, self._seed = batch, seed
        self._special_tokens = special_tokens
        self._augmentation = augmentation or Augmentation()

    @property
    def steps(self) -> int:
        """Number of batches per epoch, the same in every epoch."""
        return len(ordered_batches(self._lengths, self._batch))

    def epoch(self, epoch: int, skip: int = 0) -> tf.data.Dataset:
        """Return an epoch's training batches after the first `skip`, shuffled and augmented."""
        batches = shuffled_batches(self._lengths, self._batch, self._seed, epoch)[skip:]
        numbers = np.arange(skip, skip + len(batches), dtype=np.int32)
        return self._dataset(batches, numbers, epoch, self._augmentation)

    def in_order(self) -> tf.data.Dataset:
        """Return every row once, without augmentation."""
        batches = ordered_batches(self._lengths, self._batch)
        numbers = np.arange(len(batches), dtype=np.int32)
        return self._dataset(batches, numbers, 0, Augmentation())

    def _dataset(
        self,
        batches: list[NDArray[np.int64]],
        numbers: NDArray[np.int32],
        epoch: int,
        augmentation: Augmentation,
    ) -> tf.data.Dataset:
        row_numbers = tf.RaggedTensor.from_row_lengths(
            np.concatenate(batches) if batches else np.zeros(0, np.int64),
            [len(rows) for rows in batches],
        )

        def batch(rows: Any, number: Any) -> tuple[Any, Any, Any]:
            seed = tf.stack([self._seed + 104_729 * epoch, number])
            ids = tf.gather(self._ids, rows).to_tensor(0)
            augmented = augmentation(ids, seed, self._special_tokens)
            return augmented, tf.gather(self._labels, rows), seed

        options = tf.data.Options()
        options.threading.private_threadpool_size = os.cpu_count() or 1
        return (
            tf.data.Dataset.from_tensor_slices((row_numbers, numbers))
            .map(batch, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
            .prefetch(PREFETCHED_BATCHES)
            .with_options(options)
        )
