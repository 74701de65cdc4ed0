"""The text of some bytes, unless they are something other than text."""

from __future__ import annotations

import io
import zlib
from typing import Any, cast

from plumbline.errors import FileUnreadable, OptionInvalid
from plumbline.files.byte_stream import ByteStream, name_of
from plumbline.files.encodings import (
    MARK_UNDECODABLE,
    UNDECODABLE,
    encoding_name,
    encoding_of,
)
from plumbline.files.refusal import refusal
from plumbline.files.signatures import PARQUET, kind_of

# What opening and reading a file raise, whatever its format.
READ_ERRORS = (OSError, EOFError, zlib.error, ValueError)


def open_text(content: ByteStream, name: str, encoding: str | None) -> io.TextIOWrapper:
    """Decode the content; bytes that are not in its encoding match UNDECODABLE.

    `encoding` None means UTF-8. Line ends stay as they are, because a CSV text may contain any of
    them. Raises FileUnreadable if the content is not text in that encoding.
    """
    if kind := kind_of(content.head):
        advice = "; add --format parquet" if content.head.startswith(PARQUET) else ""
        raise FileUnreadable(f"{name} is {kind}, not text{advice}.")
    if reason := refusal(content.head, encoding):
        raise FileUnreadable(f"{name} {reason}.")
    return io.TextIOWrapper(
        cast(Any, content.stream),
        encoding=encoding_of(content.head, encoding),
        errors=MARK_UNDECODABLE,
        newline="",
    )


def read_text(source: str, encoding: str | None = None) -> str:
    """Return all the text of a file or of standard input, strictly. Raises FileUnreadable."""
    content = None
    try:
        content = ByteStream(source)
        stream = open_text(content, content.name, encoding)
        text = stream.read()
    except READ_ERRORS as error:
        raise FileUnreadable(f"{name_of(source)} cannot be read: {reason_of(error)}.") from error
    finally:
        if content is not None:
            content.close()
    if UNDECODABLE.search(text):
        raise FileUnreadable(
            f"{content.name} has bytes that are not {encoding_name(stream.encoding)}; name its "
            "encoding with --encoding."
        )
    return text


def check_argument(text: str) -> str:
    """Return a text of the command line. Raises OptionInvalid if its bytes were not decoded."""
    if UNDECODABLE.search(text):
        raise OptionInvalid(
            "The text has bytes that are not in the encoding of the command line; pass it on "
            "standard input with --encoding."
        )
    return text


def reason_of(error: BaseException) -> str:
    """Return the first line of an error's message, without a full stop."""
    message = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return (message.strip().splitlines() or [type(error).__name__])[0].rstrip(".")
