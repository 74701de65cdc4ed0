import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline_client.errors import TextRefused
from plumbline_client.text import (
    NUL_REPLACED,
    SURROGATE_REPLACED,
    CleanText,
    clean,
    is_visible,
    storable_error,
)


@pytest.mark.parametrize(
    "text",
    ["See you at six", "سلام", "🎉", " spaced ", "a\u200bb", "\ufeffx", "...", "\ue000", "e\u0301"],
)
def test_acceptable_text_is_unchanged(text: str) -> None:
    assert clean(text) == CleanText(text)


def test_characters_that_postgresql_cannot_hold_are_replaced_and_noted() -> None:
    assert clean("a\x00b") == CleanText("a\N{REPLACEMENT CHARACTER}b", (NUL_REPLACED,))
    assert clean("a\udfffb") == CleanText("a\N{REPLACEMENT CHARACTER}b", (SURROGATE_REPLACED,))
    assert clean("\x00\ud800").notes == (NUL_REPLACED, SURROGATE_REPLACED)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "the text is empty"),
        (" \t\n\u3000", "the text is empty"),
        ("\u200b\ufeff\u00ad \u202e", "the text contains only invisible characters"),
        ("\u0301\ufe0f\x01\x85", "the text contains only invisible characters"),
        ("\u2800\u3164\uffa0\u115f\u1160", "the text contains only invisible characters"),
        ("\U000e0041\U000e0fff\u2065\ufff0", "the text contains only invisible characters"),
        ("x" * 1_001, "the text has 1,001 characters, and at most 1,000 are accepted"),
        (None, "the text is a NoneType, not a string"),
        (b"bytes", "the text is a bytes, not a string"),
    ],
)
def test_unusable_text_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(TextRefused) as refusal:
        clean(text, max_chars=1_000)
    assert str(refusal.value) == reason


def test_text_of_maximum_length_is_accepted() -> None:
    assert len(clean("x" * 1_000, max_chars=1_000).text) == 1_000


@given(st.text(st.characters(exclude_categories=()), min_size=1))
def test_cleaned_text_can_be_stored_and_cleaning_is_idempotent(text: str) -> None:
    try:
        cleaned = clean(text)
    except TextRefused:
        return
    assert "\x00" not in cleaned.text
    cleaned.text.encode("utf-8")
    assert len(cleaned.text) == len(text)
    assert any(map(is_visible, cleaned.text))
    assert clean(cleaned.text) == CleanText(cleaned.text)


def test_error_messages_can_be_stored() -> None:
    assert storable_error("a\0b\ud800") == "a\\0b\\ud800"
    assert len(storable_error("x" * 5_000)) == 1_000
