"""Alembic's entry point: one connection, one transaction, one migrating process at a time."""

from __future__ import annotations

import os

from alembic import context
from sqlalchemy import Connection, text

from plumbline_client.session import SAFE_SEARCH_PATH
from storage.database import connect
from storage.locks import Lock, lock
from storage.migrate import VERSION_TABLE
from storage.tables import SCHEMA, Base

# Set again, because a session behind a connection pooler cannot; creating an index may take long.
TRANSACTION = f"""
SELECT set_config('search_path', '{SAFE_SEARCH_PATH}', true),
       set_config('statement_timeout', '0', true), set_config('lock_timeout', '0', true),
       set_config('idle_in_transaction_session_timeout', '0', true)
"""


def migrate(connection: Connection) -> None:
    connection.execute(text(TRANSACTION))
    # Alembic leaves the schema's name out where it is the default, as it is for a role `plumbline`.
    connection.dialect.default_schema_name = "pg_catalog"
    lock(connection, Lock.MIGRATE)
    # The version table is in the schema, so the schema must exist before the first migration. With
    # IF NOT EXISTS, PostgreSQL asks for the right to create it even where it exists.
    if connection.execute(text(f"SELECT to_regnamespace('{SCHEMA}')")).scalar() is None:
        connection.execute(text(f"CREATE SCHEMA {SCHEMA}"))
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
