from itertools import pairwise

import numpy as np
import pytest

from training.data.batch_order import BUCKETS, in_order, shuffled

LENGTHS = np.random.default_rng(2).integers(2, 400, 1_000)


def test_every_row_comes_once_an_epoch() -> None:
    for made in (shuffled(LENGTHS, 64, 7, 0), in_order(LENGTHS, 64)):
        assert sorted(np.concatenate(made)) == list(range(1_000))
        assert max(map(len, made)) == 64


def test_a_batch_holds_one_bucket() -> None:
    edges = (0, *BUCKETS)
    for rows in shuffled(LENGTHS, 64, 7, 3):
        shortest, longest = LENGTHS[rows].min(), LENGTHS[rows].max()
        assert any(a < shortest and longest <= b for a, b in pairwise(edges))


def test_an_epoch_is_always_the_same_and_no_two_are() -> None:
    first, again, other = (shuffled(LENGTHS, 64, 7, epoch) for epoch in (0, 0, 1))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize("batch", [1, 7, 64])
def test_every_epoch_has_as_many_batches(batch: int) -> None:
    counts = {len(shuffled(LENGTHS, batch, 7, epoch)) for epoch in range(4)}
    assert counts == {len(in_order(LENGTHS, batch))}
