from pathlib import Path

import numpy as np
import pytest
import tokenizers

from training.data.tokens import TokenRows, tokenize
from training.data.vocabulary import train_vocabulary

TEXTS = [f"word{n} and other words" for n in range(50)]


@pytest.fixture(scope="module")
def tokenizer() -> tokenizers.Tokenizer:
    return train_vocabulary(TEXTS, 120, lowercase=True)


def rows(made: TokenRows) -> list[list[int]]:
    return [made.ids[a:b].tolist() for a, b in zip(made.starts, made.starts[1:], strict=False)]


def test_rows_are_the_texts_in_order_with_their_specials(tokenizer: tokenizers.Tokenizer) -> None:
    made = tokenize(tokenizer, TEXTS, 512)
    assert rows(made) == [tokenizer.encode(text).ids for text in TEXTS]
    assert made.lengths.tolist() == [len(row) for row in rows(made)]


def test_long_texts_are_cut_and_keep_their_end(tokenizer: tokenizers.Tokenizer) -> None:
    whole = tokenizer.encode(TEXTS[0]).ids
    assert rows(tokenize(tokenizer, TEXTS[:1], 5)) == [[*whole[:4], whole[-1]]]


def test_the_second_time_is_read_from_disk(
    tokenizer: tokenizers.Tokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = tokenize(tokenizer, TEXTS, 512, tmp_path)
    monkeypatch.setattr("training.data.tokens._tokenize", None)
    again = tokenize(tokenizer, TEXTS, 512, tmp_path)
    assert np.array_equal(first.ids, again.ids)
    assert np.array_equal(first.starts, again.starts)


def test_other_texts_another_length_or_another_tokenizer_is_made_anew(
    tokenizer: tokenizers.Tokenizer, tmp_path: Path
) -> None:
    other = train_vocabulary(TEXTS, 30, lowercase=True)
    for arguments in (
        (tokenizer, TEXTS, 512),
        (tokenizer, TEXTS[:-1], 512),
        (tokenizer, TEXTS, 6),
        (other, TEXTS, 512),
    ):
        tokenize(*arguments, tmp_path)
    assert len(list(tmp_path.glob("*.npz"))) == 4


def test_a_damaged_file_is_made_anew(tokenizer: tokenizers.Tokenizer, tmp_path: Path) -> None:
    first = tokenize(tokenizer, TEXTS, 512, tmp_path)
    kept = next(tmp_path.glob("*.npz"))
    for damaged in (b"", b"nonsense", kept.read_bytes()[:100]):
        kept.write_bytes(damaged)
        assert np.array_equal(tokenize(tokenizer, TEXTS, 512, tmp_path).ids, first.ids)
