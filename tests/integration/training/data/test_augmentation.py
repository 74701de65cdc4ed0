"""Masking, dropping and swapping change the configured share of tokens and nothing else."""

from typing import Any

import numpy as np
import pytest

from training.data.vocabulary import train_vocabulary

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def special_tokens(tf_modules: Any) -> Any:
    tokenizer = train_vocabulary(["any words"], 20, lowercase=True)
    return tf_modules.augmentation.SpecialTokens.of(tokenizer)


def equal_rows(count: int) -> np.ndarray[Any, Any]:
    """Rows of [CLS], 10 to 29, [SEP] and padding."""
    return np.tile(np.array([2, *range(10, 30), 3, 0, 0], dtype="int32"), (count, 1))


def test_masking_hides_the_configured_share_and_no_special_token(
    tf_modules: Any, special_tokens: Any
) -> None:
    ids = equal_rows(400)
    masked = np.array(tf_modules.augmentation.mask(ids, (1, 2), 0.3, special_tokens))
    hidden = masked == special_tokens.mask
    assert not hidden[:, [0, 21, 22, 23]].any()
    assert hidden[:, 1:21].mean() == pytest.approx(0.3, abs=0.02)
    assert (masked[~hidden] == ids[~hidden]).all()


def test_dropping_closes_the_gaps_and_keeps_order_and_first_word(
    tf_modules: Any, special_tokens: Any
) -> None:
    ids = equal_rows(400)
    dropped = np.array(tf_modules.augmentation.drop(ids, (1, 2), 0.3, special_tokens))
    assert dropped.shape == ids.shape
    assert (dropped[:, 0] == 2).all() and (dropped[:, 1] == 10).all()
    for row in dropped:
        kept = row[row > 0]
        assert kept[-1] == 3
        assert (np.diff(kept[1:-1]) > 0).all()
        assert (row[len(kept) :] == 0).all()
    lost = 1 - (dropped > 0).sum() / (ids > 0).sum()
    assert lost == pytest.approx(0.3 * 19 / 22, abs=0.02)


def test_swapping_moves_neighbours_and_keeps_every_token(
    tf_modules: Any, special_tokens: Any
) -> None:
    ids = equal_rows(400)
    swapped = np.concatenate(
        [np.array(tf_modules.augmentation.swap(ids, (1, n), 0.3, special_tokens)) for n in range(8)]
    )
    original = equal_rows(3_200)
    assert (np.sort(swapped) == np.sort(original)).all()
    assert (swapped[:, [0, 21, 22, 23]] == original[:, [0, 21, 22, 23]]).all()
    assert np.abs(swapped[:, 1:21] - original[:, 1:21]).max() == 1
    assert (swapped != original)[:, 1:21].mean() == pytest.approx(0.3, abs=0.03)
