"""What may be scored: one rule for every door, so a text is judged alike wherever it comes in."""

from __future__ import annotations

import re
from dataclasses import dataclass

from scoring.errors import TextRefused

MAX_CHARS = 200_000
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
NUL_REPLACED = "nul_replaced"
SURROGATE_REPLACED = "surrogate_replaced"
LONE_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class CleanText:
    """A text that PostgreSQL and the tokenizer both accept, and what was done to make it so."""

    text: str
    notes: tuple[str, ...] = ()


def clean(text: str, max_chars: int = MAX_CHARS) -> CleanText:
    """Replace NUL and lone surrogates; raise `TextRefused` for a text that is empty or too long."""
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
    return CleanText(text, tuple(notes))
