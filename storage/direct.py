"""Statements that every message runs, straight on psycopg: each is a transaction by itself.

SQLAlchemy keeps the connections, and its errors are what is raised; its own way to run a statement
takes more CPU time than the statement (docs/decisions/0012).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any, Protocol, cast

import psycopg
from psycopg.rows import namedtuple_row
from sqlalchemy import Engine, PoolProxiedConnection, TextClause, event, make_url
from sqlalchemy.exc import DBAPIError

from storage.database import connect, has_ended

PLANS = "SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan"
PSYCOPG = make_url("postgresql+psycopg://").get_dialect()()


class Rows(Iterable[Any], Protocol):
    """Rows whose columns are attributes."""

    @property
    def rowcount(self) -> int: ...


class Executor(Protocol):
    """What runs a statement: a Connection of SQLAlchemy's, in its transaction, or a `Direct`."""

    def execute(self, statement: TextClause, parameters: Mapping[str, Any], /) -> Rows: ...


class Direct:
    def __init__(self, raw: psycopg.Connection[Any]) -> None:
        self._cursor = raw.cursor(row_factory=namedtuple_row)

    def execute(self, statement: TextClause, parameters: Mapping[str, Any], /) -> Rows:
        """Raises DBAPIError, or what is derived from it, as a Connection does."""
        sql = _sql(statement)
        try:
            return self._cursor.execute(sql, parameters)
        except psycopg.Error as error:
            raise _as_sqlalchemy_would(sql, error, self.closed) from error

    @property
    def closed(self) -> bool:
        return self._cursor.connection.closed

    def has_ended(self) -> bool:
        return has_ended(self._cursor.connection)

    def close(self) -> None:
        self._cursor.connection.close()


class PersistentConnection:
    """A connection of an engine's that one thread keeps from message to message.

    A pool's way to one and back takes as long as psycopg's part of a claim.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._direct: Direct | None = None

    @contextmanager
    def direct(self) -> Iterator[Direct]:
        """As `direct(engine)`."""
        if self._direct is not None and self._direct.has_ended():
            self.close()
        if self._direct is None:
            pooled = _pooled(self._engine)
            self._direct = Direct(_raw(pooled))
            pooled.detach()
        try:
            yield self._direct
        finally:
            if self._direct.closed:
                self._direct = None

    def close(self) -> None:
        if self._direct is not None:
            self._direct.close()
            self._direct = None


def connect_direct(url: str) -> Engine:
    """An engine for statements of the ledger alone, which find their jobs by an index, always.

    PostgreSQL keeps the plan of a statement that it made while the table was small, where reading
    the whole table was cheapest; it would go on so until the table is next analyzed. A finish it
    would plan each time anew, which takes as long as the rest of it.
    """
    engine = connect(url, autocommit=True)
    event.listen(engine, "connect", lambda raw, _: raw.execute(PLANS))
    return engine


@contextmanager
def direct(engine: Engine) -> Iterator[Direct]:
    """Run statements on a connection of an engine that commits each (`connect(autocommit=True)`).

    Use one at a time: the next takes the place of the rows of the one before.
    """
    pooled = _pooled(engine)
    run = Direct(_raw(pooled))
    try:
        yield run
    finally:
        if run.closed:
            pooled.invalidate()
        pooled.close()


def _pooled(engine: Engine) -> PoolProxiedConnection:
    try:
        return engine.raw_connection()
    except psycopg.Error as error:
        raise _as_sqlalchemy_would(None, error, closed=False) from error


def _raw(pooled: PoolProxiedConnection) -> psycopg.Connection[Any]:
    raw = cast("psycopg.Connection[Any]", pooled.driver_connection)
    assert raw.autocommit, "nothing would commit what is done here"
    return raw


@cache
def _sql(statement: TextClause) -> bytes:
    return str(statement.compile(dialect=PSYCOPG)).encode()


def _as_sqlalchemy_would(sql: bytes | None, error: psycopg.Error, closed: bool) -> BaseException:
    statement = sql.decode() if sql else None
    return DBAPIError.instance(statement, None, error, psycopg.Error, connection_invalidated=closed)
