"""Connections that run statements directly on psycopg, each in its own transaction.

They are for the statements that run once per message, because SQLAlchemy takes more CPU time to run
a statement than PostgreSQL does (docs/decisions/0012). SQLAlchemy still makes the connections, and
its errors are raised.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any, Protocol, cast

import psycopg
from psycopg.rows import namedtuple_row
from sqlalchemy import Engine, TextClause, event, make_url
from sqlalchemy.exc import DBAPIError

from plumbline_client.database import is_closed_by_server
from plumbline_client.database_errors import READ_ONLY
from plumbline_client.session import Connection
from storage.database import connect

PLANNER_SETTINGS = "SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan"
PSYCOPG = make_url("postgresql+psycopg://").get_dialect()()


class Rows(Iterable[Any], Protocol):
    """Rows whose columns are attributes."""

    @property
    def rowcount(self) -> int: ...


class Executor(Protocol):
    """Runs statements: a `DirectConnection`, or SQLAlchemy's Connection in its transaction."""

    def execute(self, statement: TextClause, parameters: Mapping[str, Any], /) -> Rows: ...


class DirectConnection:
    def __init__(self, raw: psycopg.Connection[Any]) -> None:
        self._cursor = raw.cursor(row_factory=namedtuple_row)

    def execute(self, statement: TextClause, parameters: Mapping[str, Any], /) -> Rows:
        """Run a statement and commit it; its rows replace those of the statement before.

        Raises SQLAlchemy's DBAPIError or a subclass, like a Connection of SQLAlchemy.
        """
        sql = _sql(statement)
        try:
            return self._cursor.execute(sql, parameters)
        except psycopg.Error as error:
            closed = self.closed
            if error.sqlstate == READ_ONLY:
                # The next connection may reach the server that took over.
                self.close()
            raise _translate_to_sqlalchemy(sql, error, closed) from error

    @property
    def closed(self) -> bool:
        return self._cursor.connection.closed

    def is_closed_by_server(self) -> bool:
        return is_closed_by_server(self._cursor.connection)

    def close(self) -> None:
        self._cursor.connection.close()


class PersistentConnection:
    """A connection that one thread keeps from message to message, replaced if it ended.

    A checkout from a pool takes half as much CPU time as psycopg's part of a claim.
    """

    def __init__(self, engine: Engine) -> None:
        """Take an engine in autocommit mode, as made by `connect_direct`."""
        self._engine = engine
        self._current: DirectConnection | None = None

    @contextmanager
    def connection(self) -> Iterator[DirectConnection]:
        """Lend the connection to the block. Raises DBAPIError if no connection can be made."""
        if self._current is not None and self._current.is_closed_by_server():
            self.close()
        if self._current is None:
            self._current = DirectConnection(_detached_connection(self._engine))
        try:
            yield self._current
        finally:
            if self._current.closed:
                self._current = None

    def close(self) -> None:
        if self._current is not None:
            self._current.close()
            self._current = None


def connect_direct(url: str) -> Engine:
    """Make an engine in autocommit mode, for statements that look up their jobs by an index.

    PostgreSQL keeps the plan that it made while a table was small, when a sequential scan was
    cheapest, until the table is next analyzed; so sequential scans are disabled. It would also plan
    a finish anew each time, which takes as long as the statement itself.
    """
    engine = connect(url, autocommit=True)
    event.listen(engine, "connect", _set_planner)
    return engine


def _set_planner(raw: Connection, _: object) -> None:
    # A pooled connection keeps no setting, but it keeps no plan either.
    if not raw.pooled:
        raw.execute(PLANNER_SETTINGS)


def _detached_connection(engine: Engine) -> psycopg.Connection[Any]:
    try:
        pooled = engine.raw_connection()
    except psycopg.Error as error:
        raise _translate_to_sqlalchemy(None, error, closed=False) from error
    raw = cast("psycopg.Connection[Any]", pooled.driver_connection)
    assert raw.autocommit, "without autocommit, no statement would be committed"
    pooled.detach()
    return raw


@cache
def _sql(statement: TextClause) -> bytes:
    return str(statement.compile(dialect=PSYCOPG)).encode()


def _translate_to_sqlalchemy(
    sql: bytes | None, error: psycopg.Error, closed: bool
) -> BaseException:
    statement = sql.decode() if sql else None
    return DBAPIError.instance(statement, None, error, psycopg.Error, connection_invalidated=closed)
