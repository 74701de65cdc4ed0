"""Which rows form which batch: a pure function of lengths, seed and epoch.

A killed run therefore resumes in the middle of an epoch with the batches it would have had.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# A batch holds texts of one bucket, which keeps padding low. Upper edges in tokens, inclusive.
BUCKETS = (16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)


def shuffled_batches(
    lengths: NDArray[np.int64], batch: int, seed: int, epoch: int
) -> list[NDArray[np.int64]]:
    """Return the row numbers of each batch of an epoch; each epoch has its own order."""
    random = np.random.default_rng((seed, epoch))
    batches = _bucketed(random.permutation(len(lengths)), lengths, batch)
    return [batches[n] for n in random.permutation(len(batches))]


def ordered_batches(lengths: NDArray[np.int64], batch: int) -> list[NDArray[np.int64]]:
    """Return the row numbers of each batch, shortest texts first."""
    return _bucketed(np.argsort(lengths, kind="stable"), lengths, batch)


def _bucketed(
    rows: NDArray[np.int64], lengths: NDArray[np.int64], batch: int
) -> list[NDArray[np.int64]]:
    bucket_of = np.searchsorted(BUCKETS, lengths[rows])
    batches: list[NDArray[np.int64]] = []
    for bucket in np.unique(bucket_of):
        members = rows[bucket_of == bucket]
        batches += [members[start : start + batch] for start in range(0, len(members), batch)]
    return batches
