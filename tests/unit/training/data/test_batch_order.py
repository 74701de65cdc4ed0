from itertools import pairwise

import numpy as np
import pytest

from training.data.batch_order import BUCKETS, ordered_batches, shuffled_batches

LENGTHS = np.random.default_rng(2).integers(2, 400, 1_000)


def test_every_row_occurs_once_per_epoch() -> None:
    for batches in (shuffled_batches(LENGTHS, 64, 7, 0), ordered_batches(LENGTHS, 64)):
        assert sorted(np.concatenate(batches)) == list(range(1_000))
        assert max(map(len, batches)) == 64


def test_batch_contains_texts_of_one_bucket() -> None:
    edges = (0, *BUCKETS)
    for rows in shuffled_batches(LENGTHS, 64, 7, 3):
        shortest, longest = LENGTHS[rows].min(), LENGTHS[rows].max()
        assert any(a < shortest and longest <= b for a, b in pairwise(edges))


def test_order_is_reproducible_and_differs_between_epochs() -> None:
    first, again, other = (shuffled_batches(LENGTHS, 64, 7, epoch) for epoch in (0, 0, 1))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize("batch", [1, 7, 64])
def test_every_epoch_has_the_same_number_of_batches(batch: int) -> None:
    counts = {len(shuffled_batches(LENGTHS, batch, 7, epoch)) for epoch in range(4)}
    assert counts == {len(ordered_batches(LENGTHS, batch))}
