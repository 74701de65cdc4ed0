"""The URLs of both servers as they may be printed: rebuilt from parts that are no secrets."""

from __future__ import annotations

from plumbline_client.broker_url_parser import masked_broker_url
from plumbline_client.database_url import SCHEMES, DatabaseUrl
from plumbline_client.errors import DatabaseUrlInvalid
from plumbline_client.url_syntax import UNKNOWN, cleaned, split_scheme


def masked(url: str) -> str:
    """Return the URL of a PostgreSQL or Redis server with asterisks in place of its password.

    A URL that cannot be parsed becomes "the configured URL".
    """
    try:
        scheme, _ = split_scheme(cleaned(url))
    except ValueError:
        return UNKNOWN
    if scheme.partition("+")[0] in SCHEMES:
        return _masked_postgresql(url)
    return masked_broker_url(url)


def _masked_postgresql(url: str) -> str:
    try:
        return DatabaseUrl.parse(url).masked
    except DatabaseUrlInvalid:
        return UNKNOWN
