"""One way to reach PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from select import POLLIN, poll
from typing import Any, cast

import psycopg
from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InvalidatePoolError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from plumbline_client.errors import DatabaseRefused, DatabaseUnavailable, DatabaseUrlInvalid

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


def connect(url: str, pool_size: int = 4, *, autocommit: bool = False) -> Engine:
    """Make an engine. It must not cross a fork: build one in each process.

    It makes up to `pool_size` connections, when they are needed, and keeps them. Threads that want
    more wait for one of these: to close and make connections all the time costs more than texts do.

    With `autocommit` each statement is a transaction, and one round trip in place of three; a
    `begin()` block of several then holds nothing together.
    """
    engine = create_engine(
        database_url(url),
        isolation_level="AUTOCOMMIT" if autocommit else None,
        # There is no transaction to end, then.
        pool_reset_on_return=None if autocommit else "rollback",
        pool_size=pool_size,
        max_overflow=0,
        connect_args={"connect_timeout": CONNECT_TIMEOUT_S, "application_name": "plumbline"},
    )
    event.listen(engine, "checkout", _check_alive)
    return engine


def _check_alive(raw: psycopg.Connection[Any], record: ConnectionPoolEntry, _: object) -> None:
    """Have a connection replaced that the server closed while it lay idle.

    SQLAlchemy's own way is to ask the server each time, which costs as much as half a claim.
    """
    if not getattr(record, "fresh", False) and has_ended(raw):
        raise InvalidatePoolError


def has_ended(raw: psycopg.Connection[Any]) -> bool:
    """Whether the server closed this idle connection; only its end makes one readable."""
    idle = poll()
    idle.register(raw.fileno(), POLLIN)
    return bool(idle.poll(0))


def is_unavailable(error: DBAPIError) -> bool:
    """Whether the server was away, so that trying again may help, rather than refusing."""
    state = _sqlstate(error)
    # A connection that could not be made has no state; nor has a value psycopg itself refuses,
    # which is a DataError.
    # Class 08: connection exception, 57P: operator intervention, 53: insufficient resources.
    return (
        error.connection_invalidated
        or (state is None and isinstance(error, OperationalError))
        or (state or "").startswith(("08", "53", "57P"))
    )


def is_transient(error: DBAPIError) -> bool:
    """Whether the same transaction may well succeed if tried again.

    So it is where the server was away, and after a deadlock or a serialization failure (class 40).
    """
    return is_unavailable(error) or (_sqlstate(error) or "").startswith("40")


def _sqlstate(error: DBAPIError) -> str | None:
    return getattr(error.orig, "sqlstate", None)


@contextmanager
def translate_errors(engine: Engine) -> Iterator[None]:
    """Turn what PostgreSQL does not do into one sentence that names it, password hidden."""
    url = engine.url.set(drivername="postgresql").render_as_string(hide_password=True)
    server = f"PostgreSQL at {url}"
    try:
        yield
    except PoolTimeout as error:
        pool = cast(QueuePool, engine.pool)
        raise DatabaseUnavailable(
            f"{server} was not asked: all {pool.size()} connections were in use for "
            f"{pool.timeout():g} s; have fewer threads at work at once."
        ) from error
    except DBAPIError as error:
        reason = (str(error.orig).strip().splitlines() or ["no reason given"])[0].rstrip(".")
        if is_unavailable(error):
            raise DatabaseUnavailable(f"{server} cannot be reached: {reason}.") from error
        raise DatabaseRefused(f"{server} refuses: {reason}.") from error
