"""One way to reach PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import URL, Engine, create_engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from storage.errors import DatabaseUnavailable, DatabaseUrlInvalid

CONNECT_TIMEOUT_S = 5


def database_url(url: str) -> URL:
    """Read a `postgresql://` URL, and choose psycopg as its driver."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise DatabaseUrlInvalid(
            "The database URL cannot be read; write it as postgresql://user:password@host:5432/name."
        ) from error
    if parsed.drivername.split("+")[0] not in ("postgresql", "postgres"):
        raise DatabaseUrlInvalid(
            f"The database URL starts with {parsed.drivername}://, and Plumbline needs postgresql://."
        )
    return parsed.set(drivername="postgresql+psycopg")


def connect(url: str, pool_size: int = 2) -> Engine:
    """Make an engine. It must not cross a fork: build one in each process."""
    return create_engine(
        database_url(url),
        pool_size=pool_size,
        max_overflow=2,
        pool_pre_ping=True,
        connect_args={"connect_timeout": CONNECT_TIMEOUT_S, "application_name": "plumbline"},
    )


def is_unavailable(error: DBAPIError) -> bool:
    """Whether the server was away, so that trying again may help, rather than refusing."""
    state = getattr(error.orig, "sqlstate", None)
    # Class 08: connection exception, 57P: operator intervention, 53: insufficient resources.
    return (
        error.connection_invalidated
        or state is None
        or state[:2] in ("08", "53")
        or (state[:3] == "57P")
    )


@contextmanager
def clear_errors(engine: Engine) -> Iterator[None]:
    """Turn a lost server into one sentence that names it, password hidden."""
    try:
        yield
    except DBAPIError as error:
        if not is_unavailable(error):
            raise
        reason = str(error.orig).strip().splitlines()
        raise DatabaseUnavailable(
            f"PostgreSQL at {engine.url.render_as_string(hide_password=True)} cannot be reached: "
            f"{reason[0] if reason else 'no reason given'}."
        ) from error
