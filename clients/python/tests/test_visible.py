import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline_client.visible import (
    CONTINUATION,
    is_safe,
    json_line,
    one_entry,
    one_line,
    visible_lines,
)

HOSTILE = {
    "SGR": "\x1b[31m",
    "title": "\x1b]0;owned\x07",
    "link": "\x1b]8;;http://evil\x1b\\",
    "device control": "\x1bP$q\x1b\\",
    "C1 CSI": "\x9b31m",
    "C1 OSC": "\x9d0;x\x9c",
    "next line": "\x85",
    "carriage return": "\rerased",
    "line feed": "a\n[2026-11-27] forged",
    "backspace": "\b\b",
    "delete": "\x7f",
    "null": "\0",
    "override": "\u202e",
    "isolate": "\u2066\u2069",
    "marks": "\u200e\u200f\u061c",
    "zero width": "a\u200bb\u200cc\u200dd\ufeffe\u2060",
    "soft hyphen": "\xad",
    "separators": "\u2028\u2029",
    "surrogate": "\ud800\udcff",
    "tags": "\U000e0041\U000e007f",
    "fillers": "\u3164\uffa0\u115f\u034f",
    "selectors": "\ufe00\U000e0100",
    "private": "\ue000",
}
any_text = st.text(
    st.characters() | st.characters(categories=["Cs", "Cc", "Cf", "Zl", "Zp", "Mn"]), max_size=60
)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_what_controls_a_terminal_or_hides_is_escaped(text: str) -> None:
    shown = one_line(text)
    assert shown.isprintable() and "\\" in shown
    assert not any(unicodedata.category(character) in ("Cc", "Cf", "Cs") for character in shown)


@given(any_text)
def test_nothing_invisible_passes_and_a_second_pass_changes_nothing(text: str) -> None:
    shown = one_line(text)
    assert all(is_safe(character) or character == "\u200d" for character in shown)
    assert one_line(shown) == shown
    shown.encode()


@given(st.text(st.characters(categories=["L", "N", "P", "S"]), max_size=60).filter(str.isprintable))
def test_what_is_visible_is_unchanged(text: str) -> None:
    assert one_line(text) == text or not all(map(is_safe, text))


@pytest.mark.parametrize(
    "text",
    [
        "こんにちは",
        "שלום",
        "👩‍👩‍👧",
        "❤\ufe0f\u200d🔥",
        "[red]x[/red]",
        "a b",
        r"C:\new",
        "é e\u0301",
    ],
)
def test_scripts_emoji_and_markup_are_unchanged(text: str) -> None:
    assert one_line(text) == text


def test_a_joiner_between_letters_is_escaped() -> None:
    assert one_line("pay\u200dpal") == r"pay\u200dpal"


@given(any_text)
def test_no_line_of_an_entry_can_pass_for_an_entry(text: str) -> None:
    first, *others = one_entry(text).split("\n")
    assert all(line.startswith(CONTINUATION) for line in others)
    assert one_entry(one_entry(text)) == one_entry(text)
    assert [one_line(line) for line in (first, *others)] == [first, *others]


def test_line_breaks_of_our_own_stay() -> None:
    assert visible_lines("a\r\nb\x1b") == "a\\r\nb\\x1b"


@given(any_text)
def test_json_stays_exact_and_shows_nothing_invisible(text: str) -> None:
    document = json_line(json.dumps({text: [text]}, ensure_ascii=False))
    # Two halves of a surrogate pair are one character in JSON.
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
    assert json.loads(document) == {whole: [whole]}
    assert all(map(is_safe, document))
