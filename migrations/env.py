"""Alembic's entry point: one connection, one transaction, one migrating process at a time."""

from __future__ import annotations

import os

from alembic import context
from sqlalchemy import Connection, text

from storage.database import connect
from storage.locks import Lock, lock
from storage.migrate import VERSION_TABLE
from storage.tables import SCHEMA, Base


def migrate(connection: Connection) -> None:
    lock(connection, Lock.MIGRATE)
    # The version table is in the schema, so the schema must exist before the first migration.
    connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        version_table=VERSION_TABLE,
        version_table_schema=SCHEMA,
        include_schemas=True,
        include_name=lambda name, kind, _: kind != "schema" or name == SCHEMA,
        compare_server_default=True,
    )
    with context.begin_transaction():
        context.run_migrations()


open_connection: Connection | None = context.config.attributes.get("connection")
if open_connection is not None:
    migrate(open_connection)
else:
    # The command line `alembic`, which developers use to write a new migration.
    engine = connect(os.environ["PLUMBLINE_DATABASE_URL"])
    with engine.begin() as connection:
        migrate(connection)
    engine.dispose()
