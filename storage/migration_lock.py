"""The turn of one migrating process, which exists before the tables do.

It is a lock of the table that holds the version, which needs the right to change that table. No
reader, backup or analysis of the table waits for it.
"""

from __future__ import annotations

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from storage.schema import SCHEMA

VERSION_TABLE = "schema_version"
# As Alembic creates it, which would do so after the turn is taken.
CREATE_VERSION_TABLE = f"""
CREATE TABLE {SCHEMA}.{VERSION_TABLE} (
    version_num varchar(32) CONSTRAINT {VERSION_TABLE}_pkc PRIMARY KEY
)
"""
TAKE_TURN = f"LOCK TABLE {SCHEMA}.{VERSION_TABLE} IN SHARE ROW EXCLUSIVE MODE"
# duplicate_schema, duplicate_table, unique_violation: another process created it in the meantime.
CREATED = ("42P06", "42P07", "23505")


def lock_migrations(connection: Connection) -> None:
    """Wait until no other process migrates, and let none begin until the transaction ends."""
    # With IF NOT EXISTS, PostgreSQL asks for the right to create it even where it exists.
    if not _exists(connection, "to_regnamespace", SCHEMA):
        _create(connection, f"CREATE SCHEMA {SCHEMA}")
    if not _exists(connection, "to_regclass", f"{SCHEMA}.{VERSION_TABLE}"):
        _create(connection, CREATE_VERSION_TABLE)
    connection.execute(text(TAKE_TURN))


def _exists(connection: Connection, function: str, name: str) -> bool:
    return connection.execute(text(f"SELECT {function}('{name}')")).scalar() is not None


def _create(connection: Connection, statement: str) -> None:
    """Create it, or wait until another process has committed that it did."""
    try:
        with connection.begin_nested():
            connection.execute(text(statement))
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) not in CREATED:
            raise
