"""Which texts are accepted: one rule for every submission path and for the scorer."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from plumbline_client.defaults import MAX_TEXT_CHARS
from plumbline_client.errors import TextRefused

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
NUL_REPLACED = "nul_replaced"
SURROGATE_REPLACED = "surrogate_replaced"
LONE_SURROGATE = re.compile("[\ud800-\udfff]")
LONGEST_ERROR = 1_000
# Controls, formats, separators, and marks that need another character to be seen.
INVISIBLE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp", "Zs", "Me", "Mn"})
# Characters of other categories that have no glyph: the fillers of Hangul, the blank of Braille,
# the null notehead, and the unassigned code points that Unicode reserves for invisible characters
# (Default_Ignorable_Code_Point in DerivedCoreProperties.txt).
INVISIBLE = frozenset("\u115f\u1160\u2065\u2800\u3164\uffa0\U0001d159").union(
    map(chr, range(0xFFF0, 0xFFF9)), map(chr, range(0xE0000, 0xE1000))
)


@dataclass(frozen=True, slots=True)
class CleanText:
    """A text that PostgreSQL and the tokenizer accept; `notes` name the replacements made."""

    text: str
    notes: tuple[str, ...] = ()


def clean(text: str, max_chars: int = MAX_TEXT_CHARS) -> CleanText:
    """Replace NULs and lone surrogates.

    Raises `TextRefused` if the text is too long, or contains nothing that a person could see.
    """
    if not isinstance(text, str):
        raise TextRefused(f"the text is a {type(text).__name__}, not a string")
    if len(text) > max_chars:
        raise TextRefused(
            f"the text has {len(text):,} characters, and at most {max_chars:,} are accepted"
        )
    notes = []
    if "\x00" in text:
        text, notes = text.replace("\x00", REPLACEMENT), [NUL_REPLACED]
    if LONE_SURROGATE.search(text):
        text = LONE_SURROGATE.sub(REPLACEMENT, text)
        notes.append(SURROGATE_REPLACED)
    if not text.strip():
        raise TextRefused("the text is empty")
    if not any(map(is_visible, text)):
        raise TextRefused("the text contains only invisible characters")
    return CleanText(text, tuple(notes))


def is_visible(character: str) -> bool:
    """Return whether the character shows something by itself; white space does not."""
    return (
        unicodedata.category(character) not in INVISIBLE_CATEGORIES and character not in INVISIBLE
    )


def storable_error(message: str) -> str:
    """Return an error message that PostgreSQL can hold; it may quote the text that caused it."""
    return message[:LONGEST_ERROR].replace("\0", "\\0").encode(errors="backslashreplace").decode()
