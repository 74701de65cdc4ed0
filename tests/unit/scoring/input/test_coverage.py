import numpy as np
import pytest

from plumbline_client.review import LONG_WORD_UNREAD, MOSTLY_UNREAD
from scoring.input.coverage import LONGEST_UNREAD_WORD, unread_ids, unread_notes
from scoring.input.tokenizer import Tokens

UNKNOWN = 1


def notes(text: str, *windows: range) -> tuple[str, ...]:
    """Return the notes for a tokenizer that drops "." and knows no word with an "x"."""
    spans, ids, end = [], [], 0
    for word in text.replace(".", " ").split():
        start = text.index(word, end)
        end = start + len(word)
        spans.append((start, end))
        ids.append(UNKNOWN if "x" in word else 7)
    return unread_notes(text, Tokens(ids, spans), {UNKNOWN}, windows)


@pytest.mark.parametrize(
    "text",
    [
        "see you at",
        "see xxx",  # Half of the tokens and of the characters.
        "seeing \u200b\u200b\u200b\u200b",
        "se\u0301\u0301\u0301\u0301\u0301e",
        "seeing you ....",
        "see " * 40 + "x" * LONGEST_UNREAD_WORD,
    ],
)
def test_text_that_is_read_for_the_greater_part_has_no_note(text: str) -> None:
    assert notes(text) == ()


@pytest.mark.parametrize(
    "text",
    [
        "xxx",
        "see xxxx",  # More than half of the characters.
        "seeing x x",  # More than half of the tokens.
        "see ....",  # Characters that the tokenizer drops.
        "see xx\u200b\u0301xx",
    ],
)
def test_text_that_is_unread_for_the_greater_part_is_noted(text: str) -> None:
    assert notes(text) == (MOSTLY_UNREAD,)


def test_long_unread_word_in_an_otherwise_readable_text_is_noted() -> None:
    text = "see " * 40 + "x" * (LONGEST_UNREAD_WORD + 1)
    assert notes(text) == (LONG_WORD_UNREAD,)
    assert notes(text.replace("x", "y")) == ()


def test_window_that_is_unread_is_noted_although_the_others_are_read() -> None:
    text = "see you at six " * 4 + "x x x x"
    assert notes(text.replace("six", "6"), range(0, 10), range(10, 20)) == ()
    assert notes(text.replace("six", "6"), range(0, 16), range(16, 20)) == (MOSTLY_UNREAD,)


def test_tokens_in_a_script_that_training_did_not_contain_are_unread() -> None:
    vocabulary = {"[UNK]": 0, "win": 1, "##ni": 2, "##ng": 3, "приз": 4, "##é": 5, "in": 6}
    seen = np.array([False, True, True, False, False, False, False])
    assert unread_ids(vocabulary, 0, seen) == {0, 3, 4, 5}


def test_token_that_training_never_contained_is_read_if_its_letters_are_known() -> None:
    vocabulary = {"[UNK]": 0, "win": 1, "##ni": 2, "inn": 3}
    assert unread_ids(vocabulary, 0, np.array([False, True, False, False])) == {0}
