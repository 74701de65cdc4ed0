"""Indexes of tables that are in use, built without a lock that a reader or a writer waits for."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import psycopg
from sqlalchemy import Connection, Engine, text

from storage.migration_lock import lock_migrations
from storage.schema import SCHEMA

# An interrupted build leaves an index that PostgreSQL does not use.
STATE = text("""
SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:name)
""")


def build_indexes(
    engine: Engine, definitions: Mapping[str, str], report: Callable[[str], None]
) -> None:
    """Build those that are missing, one after the other, and replace those that are incomplete.

    A definition is what follows ON. Processes take turns: a second one finds the indexes complete.
    """
    with engine.begin() as turn:
        lock_migrations(turn)
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            _wait_without_limit(connection)
            # In the pool, the connection would keep these settings.
            connection.detach()
            for name, definition in definitions.items():
                _build(connection, name, definition, report)


def _wait_without_limit(connection: Connection) -> None:
    """Let a build wait for long transactions: nobody waits behind it, other than an upgrade."""
    raw = connection.connection.driver_connection
    assert isinstance(raw, psycopg.Connection)
    # A session behind a connection pooler has no limits of ours.
    if not getattr(raw, "pooled", False):
        connection.execute(text("SET lock_timeout = 0"))
        connection.execute(text("SET statement_timeout = 0"))


def _build(
    connection: Connection, name: str, definition: str, report: Callable[[str], None]
) -> None:
    state = connection.execute(STATE, {"name": f"{SCHEMA}.{name}"}).scalar_one_or_none()
    if state is True:
        return
    if state is False:
        connection.exec_driver_sql(f"DROP INDEX CONCURRENTLY {SCHEMA}.{name}")
    report(f"The index {name} is built; scoring continues.")
    connection.exec_driver_sql(f"CREATE INDEX CONCURRENTLY {name} ON {definition}")
