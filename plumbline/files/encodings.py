"""Which encoding a file of text is in: as its byte order mark says, as named, or UTF-8.

Bytes that the encoding does not define become lone surrogates, which strict decoding never yields.
Their lines are then invalid.
"""

from __future__ import annotations

import codecs
import re

from plumbline.errors import OptionInvalid

DEFAULT = "utf-8"
UNDECODABLE = re.compile("[\ud800-\udfff]")
MARK_UNDECODABLE = "plumbline.mark_undecodable"
# The mark of UTF-32 in little-endian order begins with that of UTF-16.
BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Python calls these text encodings, but no file is in them.
NOT_OF_FILES = frozenset({"idna", "punycode", "unicode-escape", "raw-unicode-escape", "undefined"})
LONGEST_NAME = 40
# Blocks up to Arabic: their high byte in UTF-16 is a control character.
HIGHEST_LOW_BLOCK = 6
MOSTLY = 0.9
BINARY_SHARE = 0.5
# Families of encodings in which UTF-8 text is mistaken for other text.
WIDE = ("utf-16", "utf-32")
SINGLE_BYTE = ("iso8859", "cp125")
LINE_END = re.compile(rb"\r\n|\r|\n")


def _mark_undecodable(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "\udcff", error.end


codecs.register_error(MARK_UNDECODABLE, _mark_undecodable)


def parse_encoding(name: str) -> str:
    """Return Python's name of a text encoding. Raises OptionInvalid."""
    try:
        codec = codecs.lookup(name.strip())
    except (LookupError, ValueError):
        codec = None
    # Codecs such as base64 and rot13 do not decode bytes to text.
    if codec is None or not codec._is_text_encoding or codec.name in NOT_OF_FILES:
        raise OptionInvalid(
            f"--encoding {name[:LONGEST_NAME]!r} is not an encoding of text; examples are utf-8, "
            "utf-16, cp1252, iso-8859-1 and shift_jis."
        )
    return codec.name


def encoding_of(head: bytes, named: str | None) -> str:
    """Return the encoding to decode a file with that has these first bytes."""
    for mark, encoding in BYTE_ORDER_MARKS:
        if head.startswith(mark):
            return encoding
    return named or DEFAULT


def encoding_name(encoding: str) -> str:
    """Return an encoding as sentences name it."""
    return encoding.removesuffix("-sig").upper() if encoding.startswith("utf") else encoding


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
    lines = [line for line in LINE_END.split(head) if line]
    invalid = [line for line in lines if not _is_utf8(line)]
    beyond_ascii = sum(not line.isascii() for line in lines)
    if not invalid or 2 * len(invalid) <= beyond_ascii:
        return None
    if 2 * len(invalid) >= len(lines) or len(invalid) >= max(2, len(lines) / 100):
        return (
            "is not UTF-8 text; if it is text in another encoding, name that, as in "
            "--encoding cp1252"
        )
    return None


def _contradiction(head: bytes, named: str) -> str | None:
    """Return how UTF-8 shows that the named encoding is wrong; any bytes decode in some of them."""
    if head.isascii() and not (named.startswith(WIDE) and b"\0" not in head):
        return None
    if named.startswith((*WIDE, *SINGLE_BYTE)) and head and b"\0" not in head and _is_utf8(head):
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
    if units < 2 or (len(head) % 2 and units < 32):
        return None
    low, high = (
        sum(byte <= HIGHEST_LOW_BLOCK for byte in head[start : 2 * units : 2]) / units
        for start in (0, 1)
    )
    if high >= MOSTLY and low <= 1 - MOSTLY:
        return "utf-16-le"
    return "utf-16-be" if low >= MOSTLY and high <= 1 - MOSTLY else None


def _is_utf8(line: bytes) -> bool:
    """Return whether a line is UTF-8; the last one of the head may end within a character."""
    try:
        codecs.getincrementaldecoder(DEFAULT)().decode(line)
    except UnicodeDecodeError:
        return False
    return True
