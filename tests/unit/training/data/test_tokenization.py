from pathlib import Path

import numpy as np
import pytest
import tokenizers

from training.data.tokenization import TokenRows, tokenize
from training.data.vocabulary import train_vocabulary

TEXTS = [f"word{n} and other words" for n in range(50)]


@pytest.fixture(scope="module")
def tokenizer() -> tokenizers.Tokenizer:
    return train_vocabulary(TEXTS, 120, lowercase=True)


def ids_by_row(rows: TokenRows) -> list[list[int]]:
    return [rows.ids[a:b].tolist() for a, b in zip(rows.starts, rows.starts[1:], strict=False)]


def test_rows_are_the_encoded_texts_in_order(tokenizer: tokenizers.Tokenizer) -> None:
    rows = tokenize(tokenizer, TEXTS, 512)
    assert ids_by_row(rows) == [tokenizer.encode(text).ids for text in TEXTS]
    assert rows.lengths.tolist() == [len(row) for row in ids_by_row(rows)]


def test_long_text_is_truncated_before_its_last_token(tokenizer: tokenizers.Tokenizer) -> None:
    whole = tokenizer.encode(TEXTS[0]).ids
    assert ids_by_row(tokenize(tokenizer, TEXTS[:1], 5)) == [[*whole[:4], whole[-1]]]


def test_special_token_that_a_text_spells_is_text(tokenizer: tokenizers.Tokenizer) -> None:
    (row,) = ids_by_row(tokenize(tokenizer, ["word1 [SEP] word1[CLS] [MASK]"], 512))
    special = {tokenizer.token_to_id(token) for token in ("[SEP]", "[CLS]", "[MASK]", "[PAD]")}
    assert special.isdisjoint(row[1:-1])
    assert len(row) > 7


def test_second_call_reads_the_cache(
    tokenizer: tokenizers.Tokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = tokenize(tokenizer, TEXTS, 512, tmp_path)
    monkeypatch.setattr("training.data.tokenization._tokenize", None)
    again = tokenize(tokenizer, TEXTS, 512, tmp_path)
    assert np.array_equal(first.ids, again.ids)
    assert np.array_equal(first.starts, again.starts)


def test_other_texts_length_or_tokenizer_miss_the_cache(
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


def test_damaged_cache_file_is_replaced(tokenizer: tokenizers.Tokenizer, tmp_path: Path) -> None:
    first = tokenize(tokenizer, TEXTS, 512, tmp_path)
    cached = next(tmp_path.glob("*.npz"))
    for damaged in (b"", b"nonsense", cached.read_bytes()[:100]):
        cached.write_bytes(damaged)
        assert np.array_equal(tokenize(tokenizer, TEXTS, 512, tmp_path).ids, first.ids)
