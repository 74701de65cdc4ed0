r"""The one filter for text from outside on its way to a terminal or a log.

A name, a text or a server's answer may contain characters that move the cursor, begin a line of
their own, reverse the reading direction or show nothing. Each is replaced by its escape sequence,
such as `\x1b`. It imports nothing beyond the standard library, so that it can report any error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

# Python calls them printable, although they have no glyph (Default_Ignorable_Code_Point in
# DerivedCoreProperties.txt). The selectors U+FE0E and U+FE0F choose how an emoji looks.
WITHOUT_GLYPH = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0\U0001d159").union(
    "\u180b\u180c\u180d\u180f", map(chr, range(0xFE00, 0xFE0E)), map(chr, range(0xE0100, 0xE01F0))
)
# A zero-width joiner between two pictographs makes one emoji of them.
PICTOGRAPH = "\u2190-\u21ff\u2600-\u27bf\u2b00-\u2bff\U0001f000-\U0001faff"
EMOJI_JOINER = re.compile(f"(?<=[\ufe0f{PICTOGRAPH}])\u200d(?=[{PICTOGRAPH}])")
CONTINUATION = "    "
# What JSON has no name for is written as UTF-16 code units.
BASIC_PLANE = 0x10000


def one_line(text: str) -> str:
    """Return the text on one line, each character that is not visible replaced by its escape."""
    if text.isascii() and text.isprintable():
        return text
    joiners = {joiner.start() for joiner in EMOJI_JOINER.finditer(text)}
    return "".join(
        character if position in joiners or is_safe(character) else ascii(character)[1:-1]
        for position, character in enumerate(text)
    )


def visible_lines(text: str) -> str:
    """Return the text with its line breaks, each of its lines filtered by itself."""
    return "\n".join(map(one_line, text.split("\n")))


def one_entry(text: str) -> str:
    """Return a text of several lines, such as a traceback, so that each line belongs to the first.

    The lines after the first are indented: none of them can pass for an entry of its own.
    """
    first, *others = text.split("\n")
    indented = (
        one_line(line if line.startswith(CONTINUATION) else CONTINUATION + line) for line in others
    )
    return "\n".join([one_line(first), *indented])


def indented(text: str) -> str:
    """Return the lines of a text that follows the first line of an entry."""
    return "\n".join(CONTINUATION + one_line(line) for line in text.split("\n"))


def json_line(document: str) -> str:
    r"""Return a JSON document with JSON's own escapes, such as `\u009b`, so that it stays exact.

    Only strings of a document on one line contain such characters.
    """
    if document.isascii() and document.isprintable():
        return document
    return "".join(
        character if is_safe(character) else "".join(_json_escapes(character))
        for character in document
    )


def is_safe(character: str) -> bool:
    """Return whether a terminal shows the character and does nothing else."""
    return character.isprintable() and character not in WITHOUT_GLYPH


def _json_escapes(character: str) -> Iterator[str]:
    code = ord(character)
    if code >= BASIC_PLANE:
        high, low = divmod(code - BASIC_PLANE, 0x400)
        yield f"\\u{0xD800 + high:04x}"
        code = 0xDC00 + low
    yield f"\\u{code:04x}"
