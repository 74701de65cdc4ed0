"""Connections to PostgreSQL through SQLAlchemy, and the translation of its errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, cast

import psycopg
from sqlalchemy import URL, Connection, Engine, create_engine, event, func, make_url, select, text
from sqlalchemy.exc import ArgumentError, DBAPIError, InvalidatePoolError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from plumbline_client.database import CONNECT_TIMEOUT_S, UNAVAILABLE, is_closed_by_server
from plumbline_client.errors import DatabaseRefused, DatabaseUnavailable, DatabaseUrlInvalid


def database_url(url: str) -> URL:
    """Parse a `postgresql://` URL and select psycopg as its driver."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise DatabaseUrlInvalid(
            "The database URL cannot be parsed; write it as "
            "postgresql://user:password@host:5432/name."
        ) from error
    if parsed.drivername.split("+")[0] not in ("postgresql", "postgres"):
        raise DatabaseUrlInvalid(
            f"The database URL starts with {parsed.drivername}://, but Plumbline needs "
            "postgresql://."
        )
    return parsed.set(drivername="postgresql+psycopg")


def connect(url: str, pool_size: int = 4, *, autocommit: bool = False) -> Engine:
    """Make an engine. It must not cross a fork: build one in each process.

    The engine opens up to `pool_size` connections when they are needed and keeps them. A thread
    that needs another one waits, because opening and closing connections costs more than scoring.

    With `autocommit`, each statement is its own transaction and takes one round trip instead of
    three; a `begin()` block of several statements is then not atomic.
    """
    engine = create_engine(
        database_url(url),
        isolation_level="AUTOCOMMIT" if autocommit else None,
        # In autocommit mode there is no transaction to roll back.
        pool_reset_on_return=None if autocommit else "rollback",
        pool_size=pool_size,
        max_overflow=0,
        connect_args={"connect_timeout": CONNECT_TIMEOUT_S, "application_name": "plumbline"},
    )
    event.listen(engine, "checkout", _check_alive)
    return engine


def _check_alive(raw: psycopg.Connection[Any], record: ConnectionPoolEntry, _: object) -> None:
    """Make the pool replace a connection that the server closed while it was idle.

    SQLAlchemy's `pool_pre_ping` costs a round trip per checkout, half as much as a claim.
    """
    if not getattr(record, "fresh", False) and is_closed_by_server(raw):
        raise InvalidatePoolError


def is_unavailable(error: DBAPIError) -> bool:
    """Return whether the server was away, so that a retry may help, instead of refusing."""
    state = _sqlstate(error)
    # A failed connection attempt has no SQLSTATE. A value that psycopg itself refuses has none
    # either, but is a DataError.
    return (
        error.connection_invalidated
        or (state is None and isinstance(error, OperationalError))
        or (state or "").startswith(UNAVAILABLE)
    )


def is_transient(error: DBAPIError) -> bool:
    """Return whether the same transaction may succeed on a retry.

    It may if the server was away, and after a deadlock or a serialization failure (class 40).
    """
    return is_unavailable(error) or (_sqlstate(error) or "").startswith("40")


def _sqlstate(error: DBAPIError) -> str | None:
    return getattr(error.orig, "sqlstate", None)


@contextmanager
def translate_errors(engine: Engine) -> Iterator[None]:
    """Translate SQLAlchemy's errors into StorageErrors that name the server, password hidden."""
    url = engine.url.set(drivername="postgresql").render_as_string(hide_password=True)
    server = f"PostgreSQL at {url}"
    try:
        yield
    except PoolTimeout as error:
        pool = cast(QueuePool, engine.pool)
        raise DatabaseUnavailable(
            f"All {pool.size()} connections to {server} were in use for {pool.timeout():g} s; "
            "use fewer threads at once."
        ) from error
    except DBAPIError as error:
        reason = (str(error.orig).strip().splitlines() or ["no reason given"])[0].rstrip(".")
        if is_unavailable(error):
            raise DatabaseUnavailable(f"{server} cannot be reached: {reason}.") from error
        raise DatabaseRefused(f"{server} refuses: {reason}.") from error


@contextmanager
def open_engine(url: str, pool_size: int = 4) -> Iterator[Engine]:
    """Yield an engine for the block, and raise PostgreSQL's errors in it as StorageErrors."""
    engine = connect(url, pool_size)
    try:
        with translate_errors(engine):
            yield engine
    finally:
        engine.dispose()


def now(connection: Connection) -> datetime:
    """Return the start of the transaction by PostgreSQL's clock, which dates every row."""
    return connection.execute(select(func.now())).scalar_one()


def limit_statement_time(connection: Connection, limit_s: float) -> None:
    """Limit the run time of each statement in this transaction."""
    statement = text("SELECT set_config('statement_timeout', :limit, true)")
    connection.execute(statement, {"limit": f"{1000 * limit_s:.0f}ms"})
