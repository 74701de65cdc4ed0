"""Which encoding a file of text is in: as its byte order mark says, as named, or UTF-8.

Bytes that the encoding does not define become lone surrogates, which strict decoding never yields.
Their lines are then invalid.
"""

from __future__ import annotations

import codecs
import re

from plumbline.byte_order_marks import marked_encoding
from plumbline.errors import OptionInvalid

DEFAULT = "utf-8"
UNDECODABLE = re.compile("[\ud800-\udfff]")
MARK_UNDECODABLE = "plumbline.mark_undecodable"
# Python calls these text encodings, but no file is in them.
NOT_OF_FILES = frozenset({"idna", "punycode", "unicode-escape", "raw-unicode-escape", "undefined"})
LONGEST_NAME = 40


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
    return marked_encoding(head) or named or DEFAULT


def encoding_name(encoding: str) -> str:
    """Return an encoding as sentences name it."""
    return encoding.removesuffix("-sig").upper() if encoding.startswith("utf") else encoding
