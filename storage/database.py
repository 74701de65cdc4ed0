"""Connections to PostgreSQL through SQLAlchemy, and the translation of its errors."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime, timedelta
from typing import Any, cast

import psycopg
from psycopg.rows import tuple_row
from sqlalchemy import URL, Connection, Engine, create_engine, event, func, select, text
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError, InvalidatePoolError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from plumbline_client import database_errors as errors
from plumbline_client.database import is_closed_by_server
from plumbline_client.database_errors import READ_ONLY, may_pass, storage_error
from plumbline_client.database_url import DatabaseUrl
from plumbline_client.errors import DatabaseUnavailable
from plumbline_client.limits import Limits
from plumbline_client.session import Connection as PlumblineConnection
from plumbline_client.session import open_connection

# The engine's option that holds its DatabaseUrl.
SERVER = "plumbline_server"
_statement_s: ContextVar[float | None] = ContextVar("plumbline_statement_s", default=None)

# The server's limits of one statement, by kind of work. The answer may take a little longer; see
# `plumbline_client.connection`. What runs per message is tried again, so it need not wait long.
PROCESSING = Limits(statement_s=15.0, lock_s=5.0)
SWEEPING = Limits(statement_s=60.0, lock_s=5.0)
REPORTING = Limits(statement_s=300.0, lock_s=10.0)
# Of a command, for which a person waits, and which may write a table's worth of rows.
COMMAND = Limits(statement_s=300.0, lock_s=30.0)
# An index of a large table takes its time, but nobody may wait behind a migration that waits.
MIGRATING = Limits(statement_s=3600.0, lock_s=1.0)


def connect(
    url: str, pool_size: int = 4, *, limits: Limits = PROCESSING, autocommit: bool = False
) -> Engine:
    """Make an engine. It must not cross a fork: build one in each process.

    The engine opens up to `pool_size` connections when they are needed and keeps them. A thread
    that needs another one waits, because opening and closing connections costs more than scoring.

    With `autocommit`, each statement is its own transaction and takes one round trip instead of
    three; a `begin()` block of several statements is then not atomic.
    """
    server = DatabaseUrl.parse(url)
    engine = create_engine(
        sqlalchemy_url(server),
        isolation_level="AUTOCOMMIT" if autocommit else None,
        # In autocommit mode there is no transaction to roll back.
        pool_reset_on_return=None if autocommit else "rollback",
        pool_size=pool_size,
        max_overflow=0,
        # An error would quote them, and a text is one.
        hide_parameters=True,
        execution_options={SERVER: server},
    )

    @event.listens_for(engine, "do_connect")
    def _open(_: object, __: object, ___: object, options: dict[str, Any]) -> psycopg.Connection:
        # SQLAlchemy's own adapters are in `context`; the rest of its options repeats the URL.
        connection = open_connection(
            server, limits=limits, row_factory=tuple_row, context=options.get("context")
        )
        connection.autocommit = False
        return connection

    event.listen(engine, "checkout", _check_out)
    event.listen(engine, "handle_error", _leave_standby)
    return engine


def sqlalchemy_url(server: DatabaseUrl) -> URL:
    """Return the URL as SQLAlchemy shows it, without options. It does not connect with it."""
    values = server.parameters
    # SQLAlchemy's own rules for lists of hosts and for sockets are others than libpq's.
    one_host = not re.search("[,/@]", values.get("host", "") + values.get("port", ""))
    return URL.create(
        "postgresql+psycopg",
        username=values.get("user"),
        password=values.get("password"),
        host=values.get("host") if one_host else None,
        port=int(values["port"]) if one_host and values.get("port") else None,
        database=values.get("dbname"),
    )


def _leave_standby(context: ExceptionContext) -> None:
    """Drop a connection to a server that became a standby: the next may reach its successor."""
    if getattr(context.original_exception, "sqlstate", None) == READ_ONLY:
        context.is_disconnect = True


@contextmanager
def statement_limit(limits: Limits) -> Iterator[None]:
    """Let each statement of the connections that the block takes run for so long."""
    token = _statement_s.set(limits.statement_s)
    try:
        yield
    finally:
        _statement_s.reset(token)


def _check_out(raw: PlumblineConnection, record: ConnectionPoolEntry, _: object) -> None:
    """Make the pool replace a connection that the server closed while it was idle.

    SQLAlchemy's `pool_pre_ping` costs a round trip per checkout, half as much as a claim.
    """
    if not getattr(record, "fresh", False) and is_closed_by_server(raw):
        raise InvalidatePoolError
    raw.limit_call(_statement_s.get())


def is_unreachable(error: DBAPIError) -> bool:
    """Return whether the server is away, for this statement and for every other."""
    cause = error.orig
    lost = error.connection_invalidated
    return isinstance(cause, psycopg.Error) and errors.is_unreachable(cause, lost=lost)


def is_transient(error: DBAPIError) -> bool:
    """Return whether the same transaction may succeed on a retry."""
    cause = error.orig
    return isinstance(cause, psycopg.Error) and may_pass(cause, lost=error.connection_invalidated)


@contextmanager
def translate_errors(engine: Engine) -> Iterator[None]:
    """Translate SQLAlchemy's errors into StorageErrors that name the server, password hidden."""
    server: DatabaseUrl = engine.get_execution_options()[SERVER]
    try:
        yield
    except PoolTimeout as error:
        pool = cast(QueuePool, engine.pool)
        raise DatabaseUnavailable(
            f"All {pool.size()} connections to {server.server} were in use for "
            f"{pool.timeout():g} s; use fewer threads at once."
        ) from error
    except DBAPIError as error:
        cause = error.orig
        if not isinstance(cause, psycopg.Error):
            raise
        # A standby's connection is dropped, but it was not lost.
        lost = error.connection_invalidated and cause.sqlstate != READ_ONLY
        raise storage_error(server, cause, lost=lost) from error


@contextmanager
def open_engine(url: str, pool_size: int = 4, *, limits: Limits = COMMAND) -> Iterator[Engine]:
    """Yield an engine for the block, and raise PostgreSQL's errors in it as StorageErrors."""
    engine = connect(url, pool_size, limits=limits)
    try:
        with translate_errors(engine):
            yield engine
    finally:
        engine.dispose()


def now(connection: Connection) -> datetime:
    """Return the start of the transaction by PostgreSQL's clock, which dates every row."""
    return connection.execute(select(func.now())).scalar_one()


def absolute_time(connection: Connection, time: datetime | timedelta) -> datetime:
    """Return the time; a duration is that long before PostgreSQL's current time."""
    return now(connection) - time if isinstance(time, timedelta) else time


def limit_statement_time(connection: Connection, limit_s: float) -> None:
    """Limit the run time of each statement in this transaction."""
    statement = text("SELECT set_config('statement_timeout', :limit, true)")
    connection.execute(statement, {"limit": f"{1000 * limit_s:.0f}ms"})
