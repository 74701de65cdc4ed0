"""A session of PostgreSQL with the settings that Plumbline relies on, on every path to a server.

A role, a database, the server or another program's environment may have set any of them otherwise.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Lock
from typing import Any

import psycopg
from psycopg.abc import AdaptContext
from psycopg.conninfo import make_conninfo
from psycopg.rows import RowFactory, namedtuple_row, tuple_row

from plumbline_client.connection import Connection, NoAnswer
from plumbline_client.database_errors import quoted
from plumbline_client.database_url import DatabaseUrl
from plumbline_client.deadline import call_within, remaining_s
from plumbline_client.errors import DatabaseRefused
from plumbline_client.limits import DEFAULT, Limits, seconds_of

__all__ = ["Connection", "NoAnswer", "open_connection"]

# Formats that psycopg reads. A pooler keeps these three for each of its clients.
TRACKED = {"DateStyle": "ISO", "TimeZone": "UTC", "standard_conforming_strings": "on"}
FORMATS = {"IntervalStyle": "postgres", "extra_float_digits": "1", "bytea_output": "hex"}
# Functions and operators are PostgreSQL's own: tables are always named with their schema.
SAFE_SEARCH_PATH = "pg_catalog, pg_temp"
# An answer must be on disk, a statement sees what others committed, and it may write.
SEMANTICS = {
    "default_transaction_isolation": "read committed",
    "default_transaction_read_only": "off",
    "default_transaction_deferrable": "off",
    "transform_null_equals": "off",
    # Errors are handled; none may end the session.
    "exit_on_error": "off",
}
# Plumbline limits its statements itself; see `plumbline_client.limits`.
NO_LIMITS = {
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
    "transaction_timeout": "0",
}
# Statements are short, and their costs estimated far too high: compiling one takes longer than it
# takes, up to half a minute on a loaded machine, and is not interrupted by a timeout.
PLANNING = {"jit": "off"}
WANTED = TRACKED | FORMATS | SEMANTICS | PLANNING | {"search_path": SAFE_SEARCH_PATH}
# Those that a pooled connection, which cannot set them, cannot do without.
NEEDED = ("default_transaction_isolation", "default_transaction_read_only", "synchronous_commit")

# `pg_catalog` first everywhere, because the search path is not yet known to be safe. A setting that
# this PostgreSQL does not have is NULL.
READ_SESSION = """
SELECT pg_catalog.pg_backend_pid(), (pg_catalog.current_schemas(true))[1],
       pg_catalog.array_agg(pg_catalog.current_setting(name, true))
FROM pg_catalog.unnest(%s::pg_catalog.text[]) AS setting (name)
"""
READ_TRIES = 3
# libpq sends the first three with every login and searches for the fourth, whatever its parameters
# are, so a wrong value prevents every connection of the process.
UNAVOIDABLE_VARIABLES = {
    "PGTZ": re.compile("timezone", re.IGNORECASE),
    "PGDATESTYLE": re.compile("datestyle", re.IGNORECASE),
    "PGGEQO": re.compile("geqo", re.IGNORECASE),
    "PGSERVICE": re.compile("service", re.IGNORECASE),
}
_environment_lock = Lock()


def open_connection(
    url: DatabaseUrl,
    *,
    limits: Limits = DEFAULT,
    row_factory: RowFactory[Any] = namedtuple_row,
    context: AdaptContext | None = None,
) -> Connection:
    """Log in and prepare the session. The connection is in autocommit mode.

    Raises psycopg.Error, and DatabaseRefused for a setting that only an administrator can change.
    """

    def open_() -> Connection:
        connection = _log_in(url, row_factory, context)
        try:
            _prepare(connection, url, limits)
        except BaseException:
            connection.close()
            raise
        return connection

    try:
        # In a thread, because the resolver knows no time limit.
        return call_within(remaining_s(url.login_limit_s), open_, Connection.close)
    except TimeoutError as error:
        raise NoAnswer(f"the login is not complete: {error}") from error


def _log_in(
    url: DatabaseUrl, row_factory: RowFactory[Any], context: AdaptContext | None
) -> Connection:
    def connect() -> Connection:
        return Connection.connect(
            url.conninfo(), autocommit=True, row_factory=row_factory, context=context
        )

    try:
        return connect()
    except psycopg.OperationalError as error:
        if not _is_variable_rejected(str(error)):
            raise
    with _without_variables():
        return connect()


def _is_variable_rejected(reason: str) -> bool:
    # Another thread may have hidden the variables that this login met.
    with _environment_lock:
        return any(
            name in os.environ and pattern.search(reason)
            for name, pattern in UNAVOIDABLE_VARIABLES.items()
        )


@contextmanager
def _without_variables() -> Iterator[None]:
    """Hide the variables from libpq, which fails with them in this process anyway."""
    with _environment_lock:
        names = [name for name in UNAVOIDABLE_VARIABLES if name in os.environ]
        hidden = {name: os.environ.pop(name) for name in names}
        try:
            yield
        finally:
            os.environ.update(hidden)


def _prepare(connection: Connection, url: DatabaseUrl, limits: Limits) -> None:
    # The URL's own `options` are a user's choice.
    options = url.parameters.get("options", "")
    timeouts = NO_LIMITS | limits.settings()
    chosen = {name: value for name, value in timeouts.items() if name not in options}
    names = [*WANTED, *timeouts, "synchronous_commit"]
    backend_pid, first_schema, values = _read(connection, names)
    actual = dict(zip(names, values, strict=True))
    # A pooler gives its clients other process ids than the server's.
    connection.pooled = backend_pid != connection.info.backend_pid
    if connection.pooled:
        connection.limit_statements(limits.statement_s)
        connection.prepare_threshold = None
        connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
        connection.read_only = False
        _require(actual, first_schema, url)
        connection.configure(_different(TRACKED, actual))
        return
    wanted = WANTED | chosen
    if actual["synchronous_commit"] == "off":
        wanted |= {"synchronous_commit": "on"}
    connection.configure(_different(wanted, actual))
    info = connection.info
    connection.conninfo = make_conninfo(
        url.conninfo(), host=info.host, hostaddr=info.hostaddr or None, port=info.port
    )
    own = chosen.get("statement_timeout")
    limit_s = seconds_of(own or actual["statement_timeout"] or "0")
    connection.limit_statements(limit_s, may_be_raised=own is not None)


def _read(connection: Connection, names: list[str]) -> tuple[int, str, list[str | None]]:
    """Return the session's process id, the first schema of its path, and these settings."""
    canceled = psycopg.errors.QueryCanceled()
    for _ in range(READ_TRIES):
        try:
            with connection.cursor(row_factory=tuple_row) as cursor:
                row = cursor.execute(READ_SESSION, (names,), prepare=False).fetchone()
                assert row is not None, "an aggregate always returns one row"
                return row
        except psycopg.errors.QueryCanceled as error:
            # A statement_timeout of the role still applies, and a first statement takes longer.
            canceled = error
    raise canceled


def _different(wanted: Mapping[str, str], actual: Mapping[str, str | None]) -> dict[str, str]:
    """Return the settings to change; those that this PostgreSQL does not have are not."""
    return {
        name: value
        for name, value in wanted.items()
        if (is_set := actual[name]) is not None
        # DateStyle also holds the order of the fields of a date, which matters to input only.
        and is_set.split(",")[0] != value
        and is_set != value
    }


def _require(actual: Mapping[str, str | None], first_schema: str, url: DatabaseUrl) -> None:
    """Check what cannot be set through a pooler. Raises DatabaseRefused."""
    wanted = SEMANTICS | {"synchronous_commit": "on"}
    wrong = {name: wanted[name] for name in NEEDED if actual[name] != wanted[name]}
    if actual["synchronous_commit"] != "off":
        wrong.pop("synchronous_commit", None)
    if first_schema != "pg_catalog" and not first_schema.startswith("pg_temp"):
        wrong["search_path"] = "public"
    if wrong:
        role = quoted(url.user)
        statements = (
            f"ALTER ROLE {role} SET {name} = {value if name == 'search_path' else repr(value)}"
            for name, value in wrong.items()
        )
        raise DatabaseRefused(
            f"{url.server} is behind a connection pooler, through which Plumbline cannot set "
            f"{' and '.join(wrong)}: run {'; '.join(statements)}, and reconnect the pooler."
        )
