from dataclasses import replace
from pathlib import Path

import pytest
import tokenizers
from tokenizers import models, pre_tokenizers

from scoring.artifact.artifact import Artifact
from scoring.input.familiarity import Familiarity
from scoring.input.tokenizer import Tokenizer
from scoring.runtime.fakes import ConstantRuntime
from scoring.score import Decision
from scoring.scorer import Scorer
from tests.artifacts import write_artifact
from tests.paths import SHIPPED
from training.data.long_words import split_long_words
from training.data.vocabulary import train_vocabulary


@pytest.fixture
def shipped() -> tokenizers.Tokenizer:
    return tokenizers.Tokenizer.from_file(str(SHIPPED / "tokenizer.json"))


@pytest.mark.parametrize("word", ["a" * 600, "TWFuIGlz" * 20, "가나다라" * 50, "a" * 100_000])
def test_long_word_is_read_whole(shipped: tokenizers.Tokenizer, word: str) -> None:
    assert Tokenizer(shipped).encode(word) == [Tokenizer(shipped).unknown_id]
    split_long_words(shipped)
    tokens = Tokenizer(shipped).tokens(word)
    assert Tokenizer(shipped).unknown_id not in tokens.ids
    assert tokens.spans[0][0] == 0 and tokens.spans[-1][1] == len(word)


def test_text_without_long_words_is_read_as_before(shipped: tokenizers.Tokenizer) -> None:
    text = f"See you at six, {'a' * 100} [SEP] 字 don't 🎉"
    before = Tokenizer(shipped).tokens(text)
    split_long_words(shipped)
    assert Tokenizer(shipped).tokens(text) == before


@pytest.mark.parametrize("first", [None, pre_tokenizers.Whitespace()])
def test_second_call_changes_nothing(first: pre_tokenizers.PreTokenizer | None) -> None:
    tokenizer = tokenizers.Tokenizer(models.WordPiece({"[UNK]": 0, "a": 1, "##a": 2}))
    if first is not None:
        tokenizer.pre_tokenizer = first
    split_long_words(tokenizer)
    once = tokenizer.to_str()
    split_long_words(tokenizer)
    assert tokenizer.to_str() == once
    assert tokenizer.encode("a" * 250).ids == [1, *[2] * 99, 1, *[2] * 99, 1, *[2] * 49]


def test_model_without_a_limit_is_left_alone() -> None:
    tokenizer = tokenizers.Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    before = tokenizer.to_str()
    split_long_words(tokenizer)
    assert tokenizer.to_str() == before


def test_new_version_decides_on_a_long_word_that_an_old_version_drops(tmp_path: Path) -> None:
    texts = ["win a prize now", "see you at six"] * 5
    new = train_vocabulary(texts, 100, lowercase=True)
    old = tokenizers.Tokenizer.from_str(new.to_str())
    old.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    decisions = []
    for tokenizer in map(Tokenizer, (new, old)):
        familiarity = Familiarity.learn(texts, map(tokenizer.encode, texts), 100)
        artifact = replace(
            Artifact.load(write_artifact(tmp_path, version=f"1.0.{len(decisions)}")),
            tokenizer=tokenizer,
            familiarity=familiarity,
        )
        score = Scorer(artifact, ConstantRuntime(9.0)).score("see you at six " + "winaprize" * 40)
        decisions.append((score.decision, score.notes))
    assert decisions == [
        (Decision.POSITIVE, ()),
        (Decision.REVIEW, ("long_word_unread", "mostly_unread")),
    ]
