"""Whether the first bytes of a file show that it is not text in the encoding that it is read in."""

from __future__ import annotations

import codecs
import re
import unicodedata

from plumbline.byte_order_marks import marked_encoding
from plumbline.files.encodings import DEFAULT

WIDE = ("utf-16", "utf-32")
# Encodings of one byte per character: any bytes are text in them, and UTF-8 text is garbage.
SINGLE_BYTE = ("iso8859", "cp125", "koi8", "mac", "cp437", "cp85")
# Text in an encoding of several bytes per character may be UTF-8 by accident, if it is short.
MIN_UTF8_CHARACTERS = 4
# In bytes. Some characters of UTF-16 look like two of ASCII, but seldom like words or lines.
SHORT_IN_UTF16 = 16
WORD_ENDS = frozenset(b" \r\n")
# Blocks up to Arabic: their high byte in UTF-16 is a control character.
HIGHEST_LOW_BLOCK = 6
MOSTLY = 0.9
# A damaged line in a hundred does not stop a file.
DAMAGED_SHARE = 0.01
LINE_END = re.compile(rb"\r\n|\r|\n")
# Control characters but those of line ends (0x15 in EBCDIC), tabs, pages, escape sequences and the
# end of a file.
CONTROL = re.compile(rb"[\x00-\x08\x0e-\x14\x16-\x19\x1c-\x1f]")
# Of bytes that are equally frequent, a tenth are control characters.
MAX_CONTROL_SHARE = 0.05
FEW_CONTROLS = 3
# Control characters, and what Unicode has not assigned.
NOT_IN_TEXT = frozenset({"Cc", "Cn", "Co", "Cs"})
# The escape sequences that begin a script in ISO 2022, which is ASCII but for them.
ISO_2022 = ((b"\x1b$B", "iso2022_jp"), (b"\x1b$@", "iso2022_jp"), (b"\x1b$)C", "iso2022_kr"))
LETTERS = bytes(range(ord("a"), ord("z") + 1))


def refusal(head: bytes, named: str | None) -> str | None:
    """Return why a file without a byte order mark is not in the named encoding, or not UTF-8.

    None means that it may be. A few lines that are not UTF-8 are damaged; half of the lines, or
    most of those with other than ASCII characters, are evidence of another encoding.
    """
    if marked_encoding(head) is not None:
        return None
    if reason := _wide_contradiction(head, named):
        return reason
    if named is not None and named.startswith(WIDE):
        return None
    controls = len(CONTROL.findall(head))
    if controls > max(FEW_CONTROLS, MAX_CONTROL_SHARE * len(head)):
        return (
            f"is binary data, not text: {controls:,} of its first {len(head):,} bytes are control "
            "characters"
        )
    if named is not None:
        return _contradiction(head, named)
    for escape, encoding in ISO_2022:
        if escape in head and head.isascii():
            return f"is in {encoding.upper().replace('_', '-')}; add --encoding {encoding}"
    return _too_few_are_utf8(head)


def _wide_contradiction(head: bytes, named: str | None) -> str | None:
    """Return how the bytes show that UTF-16 or UTF-32 was named wrongly, or not named."""
    wide = _wide_encoding(head)
    if wide is not None:
        if named == wide:
            return None
        if named is None or not named.startswith(WIDE) or named in WIDE:
            return f"is in {wide.upper()} without a byte order mark; add --encoding {wide}"
        return f"is in {wide.upper()}, not {named}; correct --encoding"
    if not head or named is None or not named.startswith(WIDE):
        return None
    is_long = len(head) >= SHORT_IN_UTF16 or not WORD_ENDS.isdisjoint(head)
    if is_long and b"\0" not in head and _is_utf8(_whole_characters(head)):
        return f"is UTF-8, not {named}; leave out --encoding"
    if named in WIDE:
        return (
            f"does not begin with the byte order mark of {named.upper()}; if it is in that "
            f"encoding, add --encoding {named}-le or {named}-be"
        )
    return None


def _contradiction(head: bytes, named: str) -> str | None:
    """Return how the bytes show that another encoding than the named one is right."""
    whole = _whole_characters(head)
    if head.isascii():
        if codecs.decode(LETTERS, named, "replace") != LETTERS.decode() and b"\x1b" not in head:
            return f"is ASCII text, not {named}; leave out --encoding"
        return None
    # A last byte that begins a character of UTF-8 may as well be a whole one, as in "café".
    if whole.isascii() or not _is_utf8(whole) or named.startswith(DEFAULT) or named == "ascii":
        return None
    characters = sum(not character.isascii() for character in whole.decode(DEFAULT))
    if named.startswith(SINGLE_BYTE) or characters >= MIN_UTF8_CHARACTERS:
        return f"is UTF-8, not {named}; leave out --encoding"
    return None


def _too_few_are_utf8(head: bytes) -> str | None:
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
