import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline_client.errors import TextRefused
from plumbline_client.text import NUL_REPLACED, SURROGATE_REPLACED, CleanText, clean


@pytest.mark.parametrize(
    "text", ["See you at six", "سلام", "🎉", " spaced ", "a\u200bb", "\ufeffx"]
)
def test_a_text_is_kept_as_it_is(text: str) -> None:
    assert clean(text) == CleanText(text)


def test_what_postgres_cannot_hold_is_replaced_and_told() -> None:
    assert clean("a\x00b") == CleanText("a\N{REPLACEMENT CHARACTER}b", (NUL_REPLACED,))
    assert clean("a\udfffb") == CleanText("a\N{REPLACEMENT CHARACTER}b", (SURROGATE_REPLACED,))
    assert clean("\x00\ud800").notes == (NUL_REPLACED, SURROGATE_REPLACED)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "the text is empty"),
        (" \t\n\u3000", "the text is empty"),
        ("x" * 1_001, "the text has 1,001 characters, and at most 1,000 are accepted"),
        (None, "the text is a NoneType, not a string"),
        (b"bytes", "the text is a bytes, not a string"),
    ],
)
def test_what_cannot_be_scored_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(TextRefused) as refusal:
        clean(text, max_chars=1_000)
    assert str(refusal.value) == reason


def test_the_longest_text_is_accepted() -> None:
    assert len(clean("x" * 1_000, max_chars=1_000).text) == 1_000


@given(st.text(st.characters(exclude_categories=()), min_size=1))
def test_whatever_comes_can_be_stored_and_cleaning_again_changes_nothing(text: str) -> None:
    try:
        cleaned = clean(text)
    except TextRefused:
        return
    assert "\x00" not in cleaned.text
    cleaned.text.encode("utf-8")
    assert len(cleaned.text) == len(text)
    assert clean(cleaned.text) == CleanText(cleaned.text)
