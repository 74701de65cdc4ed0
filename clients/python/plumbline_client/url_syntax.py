"""The syntax that the URLs of both servers share.

Functions here raise `ValueError` with a reason that quotes no part of the URL: which part of a
malformed URL is its password is unknown.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

# A URL that is not valid is never printed: the position of its password is unknown.
UNKNOWN = "the configured URL"
CONTROL_CHARACTER = re.compile(r"[\x00-\x1f\x7f]")
# What secret files, `.env` files and `docker --env-file` leave around a value; U+FEFF is the mark
# at the beginning of files that some editors write.
SURROUNDING = " \t\r\n\f\v\ufeff"
# A user's name as it may be printed; any other may contain a piece of a password.
USUAL_USER = re.compile(r"[A-Za-z0-9_.-]*")
QUOTES = ('"', "'")


def cleaned(url: str) -> str:
    """Return the URL without the whitespace and the pair of quotes that surround it."""
    url = url.strip(SURROUNDING)
    for quote in QUOTES:
        if len(url) > 1 and url.startswith(quote) and url.endswith(quote):
            return url[1:-1].strip(SURROUNDING)
    return url


def split_scheme(url: str) -> tuple[str, str]:
    """Return the scheme in lower case and what follows `://`; the scheme is empty if there is none.

    Raises ValueError for characters that no URL contains.
    """
    if CONTROL_CHARACTER.search(url):
        raise ValueError("contains a line break or another control character")
    if not is_utf8(url):
        raise ValueError("is not UTF-8")
    scheme, separator, rest = url.partition("://")
    return (scheme.lower(), rest) if separator else ("", url)


def split_user_info(user_info: str) -> tuple[str | None, str | None]:
    """Return the decoded user and password of `user:password`; None for each that is empty."""
    user, _, password = user_info.partition(":")
    return decoded(user) or None, decoded(password) or None


def decoded(text: str) -> str:
    """Decode `%xx`. A `%` without two hexadecimal digits stands for itself, and so does `+`."""
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeDecodeError:
        raise ValueError("contains a %xx that is not UTF-8") from None


def is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
