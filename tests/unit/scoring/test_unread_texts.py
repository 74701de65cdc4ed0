"""What the shipped version does not read ends in a refusal or in `review`, never in a sure answer.

The model itself is replaced by one that is always certain, because only its input matters here.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline_client.errors import TextRefused
from plumbline_client.review import LONG_WORD_UNREAD, MOSTLY_UNREAD
from scoring.artifact.artifact import Artifact
from scoring.input.tokenizer import SPECIALS
from scoring.runtime.fakes import ConstantRuntime
from scoring.score import Decision, Score
from scoring.scorer import Scorer
from tests.paths import SHIPPED

SOLID = "WinnerClaimYourFivePoundPrizeNowTextClaimToEightNineNineCallFreeOnMobileNow" * 2
ORDINARY = "See you at the station at six, bring the tickets and something to eat. "


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    return Scorer(Artifact.load(SHIPPED), ConstantRuntime(9.0))


@pytest.fixture(scope="module")
def special_ids(scorer: Scorer) -> frozenset[int]:
    vocabulary = scorer.artifact.tokenizer.vocabulary()
    return frozenset(vocabulary[token] for token in SPECIALS)


@pytest.mark.parametrize(
    "text",
    [
        "\u200b\u200b",
        "\ufeff",
        "\u00ad\u200d\u2060",
        "\ufe0f\U000e0041",
        "\u3164\uffa0\u115f",
        "\u2800 \u2800",
        "\u202e\u200f",
        "\x01\x02",
        "\u0301" * 600,
        # Visible, but dropped by BERT's normalizer.
        "\ufffd\ufffd",
        "\x00\x00",
        "\ue000",
    ],
)
def test_text_without_anything_to_read_is_refused(scorer: Scorer, text: str) -> None:
    with pytest.raises(TextRefused, match=r"only invisible characters|nothing that the model"):
        scorer.score(text)


@pytest.mark.parametrize(
    "text",
    [
        "a" * 600,
        SOLID,
        "TWFu" * 40,
        "🎉🎉🎉",
        "🎉 👍 ❤️ 🎁",
        "１２３４５",
        "ԝіnnег",
        "𝕎𝕀ℕ",
        "我们明天在车站见",
        "สวัสดีครับคุณได้รับรางวัล" * 8,
        "今日はとても良い天気ですね",
        "안녕하세요 경품에 당첨되셨습니다",
        "Поздравляем! Вы выиграли приз",
        "لقد ربحت جائزة",
        "नमस्ते आप कैसे हैं",
        "win " + "\ufffd" * 500,
        ORDINARY * 80 + "🎉 " * 600,
        "🎉 " * 600 + ORDINARY * 80,
    ],
)
def test_text_that_is_mostly_unread_is_for_review(scorer: Scorer, text: str) -> None:
    score = scorer.score(text)
    assert (score.label, score.decision) == ("spam", Decision.REVIEW)
    assert score.confidence > 0.99, "label, probability and confidence stay recorded"
    assert MOSTLY_UNREAD in score.notes
    assert score.review_reason is not None and "cannot read more than half" in score.review_reason


def test_long_word_that_the_version_drops_is_noted_and_for_review(scorer: Scorer) -> None:
    for word in ("x" * 101, SOLID, "강" * 34):
        score = scorer.score(ORDINARY * 5 + word)
        assert (score.decision, score.notes) == (Decision.REVIEW, (LONG_WORD_UNREAD,))
        assert score.review_reason == "the model cannot read a long word of the text"
    assert scorer.score(ORDINARY * 5 + "x" * 100).decision is Decision.POSITIVE


@pytest.mark.parametrize(
    "text",
    [
        ORDINARY,
        ORDINARY * 80,
        "ok",
        "ok 👍",
        "...",
        "0900 1234",
        "W\u00adINNER",
        "W\u200bI\u200bN a prize",
        "\u202eabc\u202c",
        "\ufeffSee you",
        "w" + "\u0301" * 600,
        "See you at the station 🚉 bring the tickets 🎟️",
        "Kannst du bitte noch Milch und Brot für Zoë mitbringen?",
        "[SEP] see you [CLS]",
    ],
)
def test_text_that_is_read_keeps_its_decision(scorer: Scorer, text: str) -> None:
    score = scorer.score(text)
    assert (score.decision, score.notes, score.review_reason) == (Decision.POSITIVE, (), None)


def test_low_confidence_has_a_reason_of_its_own() -> None:
    score = Scorer(Artifact.load(SHIPPED), ConstantRuntime(0.0)).score(ORDINARY)
    assert score.decision is Decision.REVIEW
    assert score.review_reason == "the confidence is below the model's threshold"


def accept(scorer: Scorer, text: str) -> Score | None:
    try:
        return scorer.score(text)
    except TextRefused:
        return None


@given(st.text(st.characters(exclude_categories=()), max_size=60))
def test_text_without_a_known_token_never_gets_a_sure_answer(scorer: Scorer, text: str) -> None:
    score = accept(scorer, text)
    if score is not None and score.features["unknown_share"] == 1.0:
        assert score.decision is Decision.REVIEW


@given(
    st.lists(
        st.sampled_from([*SPECIALS, *map(str.lower, SPECIALS), "win", " ", "[", "]", "é"]),
        max_size=12,
    ).map("".join)
)
def test_special_token_that_a_text_spells_is_read_as_text(
    scorer: Scorer, special_ids: frozenset[int], text: str
) -> None:
    tokenizer = scorer.artifact.tokenizer
    # "[UNK]" is spelled as well; every word of the list is in the vocabulary.
    assert special_ids.isdisjoint(tokenizer.encode(text))
    assert tokenizer.tokens(text).ids == tokenizer.encode(text) == tokenizer.encode_all([text])[0]
