"""Batches of an epoch and of the validation split."""

from typing import Any

import numpy as np
import pytest

from training.data.tokenization import tokenize
from training.data.vocabulary import train_vocabulary

pytestmark = pytest.mark.slow

TEXTS = [f"word{n % 17} call {'win' if n % 2 else 'tea'} " * (1 + n % 9) for n in range(100)]


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return train_vocabulary(TEXTS, 200, lowercase=True)


def make_batches(tf_modules: Any, tokenizer: Any, **rates: float) -> Any:
    return tf_modules.batches.Batches(
        tokenize(tokenizer, TEXTS, 32),
        [n % 2 for n in range(len(TEXTS))],
        batch=8,
        seed=7,
        special_tokens=tf_modules.augmentation.SpecialTokens.of(tokenizer),
        augmentation=tf_modules.augmentation.Augmentation(**rates),
    )


def arrays(dataset: Any) -> list[tuple[Any, ...]]:
    return [tuple(np.array(part) for part in batch) for batch in dataset]


def equal(first: Any, second: Any) -> bool:
    flat = [[part for batch in batches for part in batch] for batches in (first, second)]
    return len(flat[0]) == len(flat[1]) and all(
        np.array_equal(a, b) for a, b in zip(*flat, strict=True)
    )


def test_resumed_epoch_has_the_batches_of_an_uninterrupted_one(
    tf_modules: Any, tokenizer: Any
) -> None:
    data = make_batches(tf_modules, tokenizer, drop_rate=0.1, swap_rate=0.2, mask_rate=0.2)
    whole = arrays(data.epoch(2))
    assert equal(arrays(data.epoch(2)), whole)
    assert equal(arrays(data.epoch(2, skip=5)), whole[5:])
    assert not equal(arrays(data.epoch(3)), whole)
    assert len(whole) == data.steps
    assert arrays(data.epoch(2, skip=len(whole))) == []


def test_validation_batches_contain_every_row_unchanged(tf_modules: Any, tokenizer: Any) -> None:
    data = make_batches(tf_modules, tokenizer, drop_rate=0.9, swap_rate=0.9, mask_rate=0.9)
    rows = [ids[ids > 0].tolist() for batch, _, _ in arrays(data.in_order()) for ids in batch]
    encoded = [tokenizer.encode(text).ids for text in TEXTS]
    truncated = [ids if len(ids) <= 32 else [*ids[:31], ids[-1]] for ids in encoded]
    assert sorted(rows) == sorted(truncated)
