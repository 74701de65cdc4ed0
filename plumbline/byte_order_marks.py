"""The byte order marks with which a file states its encoding."""

from __future__ import annotations

import codecs

# The mark of UTF-32 in little-endian order begins with that of UTF-16.
BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def marked_encoding(content: bytes) -> str | None:
    """Return Python's name of the encoding that the first bytes state, or None without a mark."""
    return next((name for mark, name in BYTE_ORDER_MARKS if content.startswith(mark)), None)
