"""URLs as they may be printed."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit


def masked(url: str) -> str:
    """Return the URL with its password replaced by asterisks."""
    try:
        parts = urlsplit(url)
    except ValueError:
        # The position of the password in such a URL is unknown.
        return "the configured URL"
    if not parts.password:
        return url
    user_info, _, host = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{user_info.split(':')[0]}:***@{host}"))
