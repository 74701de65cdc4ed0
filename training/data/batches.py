"""From token ids to padded batches with tf.data, in parallel and ahead of the training step."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from training.data.augmentation import Augmentation, Specials
from training.data.batch_order import in_order, shuffled
from training.data.tokens import TokenRows

# Batches that wait ready while a step computes.
AHEAD = 8


class Batches:
    """Batches of (ids int32 [b, n] padded with 0, labels float32 [b, 1], seed int32 [2])."""

    def __init__(
        self,
        rows: TokenRows,
        labels: Sequence[float],
        *,
        batch: int,
        seed: int,
        specials: Specials,
        augmentation: Augmentation | None = None,
    ) -> None:
        self._lengths = rows.lengths
        self._ids = tf.RaggedTensor.from_row_splits(rows.ids, rows.starts, validate=False)
        self._labels = tf.constant(np.asarray(labels, dtype=np.float32)[:, None])
        self._batch, self._seed = batch, seed
        self._specials = specials
        self._augmentation = augmentation or Augmentation()

    @property
    def steps(self) -> int:
        """Batches in an epoch, the same in each."""
        return len(in_order(self._lengths, self._batch))

    def epoch(self, epoch: int, skip: int = 0) -> tf.data.Dataset:
        """The training batches of an epoch after the first `skip`: shuffled, augmented anew."""
        made = shuffled(self._lengths, self._batch, self._seed, epoch)[skip:]
        numbers = np.arange(skip, skip + len(made), dtype=np.int32)
        return self._dataset(made, numbers, epoch, self._augmentation)

    def in_order(self) -> tf.data.Dataset:
        """Every row once, as it is."""
        made = in_order(self._lengths, self._batch)
        return self._dataset(made, np.arange(len(made), dtype=np.int32), 0, Augmentation())

    def _dataset(
        self,
        made: list[NDArray[np.int64]],
        numbers: NDArray[np.int32],
        epoch: int,
        augmentation: Augmentation,
    ) -> tf.data.Dataset:
        chosen = tf.RaggedTensor.from_row_lengths(
            np.concatenate(made) if made else np.zeros(0, np.int64), [len(rows) for rows in made]
        )

        def batch(rows: Any, number: Any) -> tuple[Any, Any, Any]:
            seed = tf.stack([self._seed + 104_729 * epoch, number])
            ids = tf.gather(self._ids, rows).to_tensor(0)
            return augmentation(ids, seed, self._specials), tf.gather(self._labels, rows), seed

        options = tf.data.Options()
        options.threading.private_threadpool_size = os.cpu_count() or 1
        return (
            tf.data.Dataset.from_tensor_slices((chosen, numbers))
            .map(batch, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
            .prefetch(AHEAD)
            .with_options(options)
        )
