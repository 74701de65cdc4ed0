from pathlib import Path

import pytest
import tokenizers

from scoring.errors import ArtifactInvalid
from scoring.input.tokenizer import SPECIALS, Tokenizer
from tests.artifacts import WORDS, write_tokenizer


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_tokenizer(tmp_path / "tokenizer.json")
    return tmp_path / "tokenizer.json"


def test_text_is_encoded_without_special_tokens_and_wrapped_with_them(path: Path) -> None:
    tokenizer = Tokenizer.read(path)
    first = len(SPECIALS)
    ids = tokenizer.encode("win a prize")
    assert ids == [first, first + 1, first + 2]
    assert tokenizer.wrap(ids) == [tokenizer.cls_id, *ids, tokenizer.sep_id]


def test_unknown_word_is_the_unknown_token(path: Path) -> None:
    tokenizer = Tokenizer.read(path)
    assert tokenizer.encode("zebra") == [tokenizer.unknown_id]


def test_tokens_have_the_characters_that_they_cover(path: Path) -> None:
    tokens = Tokenizer.read(path).tokens("  win a zebra")
    assert tokens.spans == [(2, 5), (6, 7), (8, 13)]
    assert tokens.ids == Tokenizer.read(path).encode("  win a zebra")


@pytest.mark.parametrize("special", [True, False, None])
def test_special_token_in_a_text_is_text_however_the_file_lists_it(
    path: Path, special: bool | None
) -> None:
    """None: the file does not list it, and white space alone separates words."""
    raw = tokenizers.Tokenizer.from_file(str(path))
    if special is None:
        raw.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    else:
        raw.add_tokens([tokenizers.AddedToken(token, special=special) for token in SPECIALS])
    raw.save(str(path))
    tokenizer = Tokenizer.read(path)
    assert set(SPECIALS) <= tokenizer.vocabulary().keys()
    for token in SPECIALS:
        first, *inside, last = tokenizer.encode(f"win {token} win")
        assert first == last == tokenizer.encode("win")[0]
        assert set(inside) == {tokenizer.unknown_id}


def test_many_texts_are_encoded_like_each_of_them(path: Path) -> None:
    tokenizer, texts = Tokenizer.read(path), ["win", "[SEP] a prize", ""]
    assert tokenizer.encode_all(texts) == [tokenizer.encode(text) for text in texts]


def test_truncation_and_padding_enabled_in_the_file_are_disabled(path: Path) -> None:
    raw = tokenizers.Tokenizer.from_file(str(path))
    raw.enable_truncation(4)
    raw.enable_padding(length=4)
    raw.save(str(path))
    tokenizer = Tokenizer.read(path)
    assert len(tokenizer.encode(" ".join(WORDS))) == len(WORDS)
    assert len(tokenizer.encode("win")) == 1


def test_tokenizer_without_a_special_token_is_rejected(path: Path) -> None:
    content = path.read_text(encoding="utf-8").replace("[CLS]", "[XXX]")
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ArtifactInvalid, match=r"^The tokenizer has no \[CLS\] token\.$"):
        Tokenizer.read(path)


def test_missing_or_invalid_file_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    with pytest.raises(ArtifactInvalid, match="is not a tokenizer"):
        Tokenizer.read(path)
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(ArtifactInvalid, match="is not a tokenizer"):
        Tokenizer.read(path)
