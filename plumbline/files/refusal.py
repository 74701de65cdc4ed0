"""Whether the first bytes of a file show that it is not text in the encoding that it is read in."""

from __future__ import annotations

import codecs
import re
import unicodedata

from plumbline.files.encodings import BYTE_ORDER_MARKS, DEFAULT

# Families of encodings in which UTF-8 text is mistaken for other text.
WIDE = ("utf-16", "utf-32")
SINGLE_BYTE = ("iso8859", "cp125")
# Blocks up to Arabic: their high byte in UTF-16 is a control character.
HIGHEST_LOW_BLOCK = 6
MOSTLY = 0.9
BINARY_SHARE = 0.5
# A damaged line in a hundred does not stop a file.
DAMAGED_SHARE = 0.01
LINE_END = re.compile(rb"\r\n|\r|\n")
# Control characters, and what Unicode has not assigned.
NOT_IN_TEXT = frozenset({"Cc", "Cn", "Co", "Cs"})


def refusal(head: bytes, named: str | None) -> str | None:
    """Return why a file without a byte order mark is not in the named encoding, or not UTF-8.

    None means that it may be. A few lines that are not UTF-8 are damaged; half of the lines, or
    most of those with other than ASCII characters, are evidence of another encoding.
    """
    if any(head.startswith(mark) for mark, _ in BYTE_ORDER_MARKS):
        return None
    if named is not None:
        return _contradiction(head, named)
    if wide := _wide_encoding(head):
        return f"is in {wide.upper()} without a byte order mark; add --encoding {wide}"
    if head.count(0) > BINARY_SHARE * len(head):
        return "is binary data, not text"
    lines = [line for line in LINE_END.split(_whole_characters(head)) if line]
    invalid = sum(not _is_utf8(line) for line in lines)
    beyond_ascii = sum(not line.isascii() for line in lines)
    if not invalid or 2 * invalid <= beyond_ascii:
        return None
    if 2 * invalid >= len(lines) or invalid >= max(2, DAMAGED_SHARE * len(lines)):
        return (
            "is not UTF-8 text; if it is text in another encoding, name that, as in "
            "--encoding cp1252"
        )
    return None


def _contradiction(head: bytes, named: str) -> str | None:
    """Return how UTF-8 shows that the named encoding is wrong; any bytes decode in some of them."""
    if b"\0" in head or not head or not _is_utf8(_whole_characters(head)):
        return None
    if named.startswith(WIDE) or (named.startswith(SINGLE_BYTE) and not head.isascii()):
        return f"is UTF-8, not {named}; leave out --encoding"
    return None


def _wide_encoding(head: bytes) -> str | None:
    """Return the name of UTF-16 or UTF-32 if the positions of control characters show it."""
    units = len(head) // 4
    if units > 1:
        for encoding, zeros, first in (("utf-32-le", (2, 3), 0), ("utf-32-be", (0, 1), 3)):
            is_zero = all(not any(head[zero : 4 * units : 4]) for zero in zeros)
            if is_zero and head[first : 4 * units : 4].count(0) <= (1 - MOSTLY) * units:
                return encoding
    units = len(head) // 2
    # The head of a long file may end within a character; a file does not.
    if units < 2 or (len(head) % 2 and units < 32):
        return None
    low, high = (
        sum(byte <= HIGHEST_LOW_BLOCK for byte in head[start : 2 * units : 2]) / units
        for start in (0, 1)
    )
    if high >= MOSTLY and low <= 1 - MOSTLY:
        return "utf-16-le"
    if low >= MOSTLY and high <= 1 - MOSTLY:
        return "utf-16-be"
    return next((name for name in ("utf-16-le", "utf-16-be") if _has_lines(head, name)), None)


def _has_lines(head: bytes, encoding: str) -> bool:
    """Return whether bytes, as in Chinese, are lines of assigned characters in UTF-16."""
    if b"\0" not in head:
        return False
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(head)
    except UnicodeDecodeError:
        return False
    return "\n" in text and all(
        character in "\t\r\n" or unicodedata.category(character) not in NOT_IN_TEXT
        for character in text
    )


def _whole_characters(head: bytes) -> bytes:
    """Return the bytes without the beginning of a character at their end."""
    try:
        head.decode(DEFAULT)
    except UnicodeDecodeError as error:
        if error.reason == "unexpected end of data":
            return head[: error.start]
    return head


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode(DEFAULT)
    except UnicodeDecodeError:
        return False
    return True
