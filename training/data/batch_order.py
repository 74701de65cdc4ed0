"""Which rows make which batch: a pure function of lengths, seed and epoch.

So a run that was killed goes on in the middle of an epoch with the very batches it would have had.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# A batch holds texts of one bucket, so that little of it is padding; edges are in tokens, included.
BUCKETS = (16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)


def shuffled(
    lengths: NDArray[np.int64], batch: int, seed: int, epoch: int
) -> list[NDArray[np.int64]]:
    """The row numbers of each batch of an epoch, other ones each epoch; every row comes once."""
    draw = np.random.default_rng((seed, epoch))
    made = _buckets(draw.permutation(len(lengths)), lengths, batch)
    return [made[n] for n in draw.permutation(len(made))]


def in_order(lengths: NDArray[np.int64], batch: int) -> list[NDArray[np.int64]]:
    """The same batches each time, shortest texts first."""
    return _buckets(np.argsort(lengths, kind="stable"), lengths, batch)


def _buckets(
    rows: NDArray[np.int64], lengths: NDArray[np.int64], batch: int
) -> list[NDArray[np.int64]]:
    bucket_of = np.searchsorted(BUCKETS, lengths[rows])
    made: list[NDArray[np.int64]] = []
    for bucket in np.unique(bucket_of):
        members = rows[bucket_of == bucket]
        made += [members[start : start + batch] for start in range(0, len(members), batch)]
    return made
