"""Alembic's entry: one connection, one transaction, one migrator at a time."""

from __future__ import annotations

import os

from alembic import context
from sqlalchemy import Connection, text

from storage.database import connect
from storage.migrate import VERSION_TABLE
from storage.tables import SCHEMA, Base

ADVISORY_LOCK = 0x6D696772


def migrate(connection: Connection) -> None:
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})
    # The version table lives in the schema, so the schema comes before the first migration.
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


given: Connection | None = context.config.attributes.get("connection")
if given is not None:
    migrate(given)
else:
    # `alembic` on the command line, as developers use it to write a new migration.
    engine = connect(os.environ["PLUMBLINE_DATABASE_URL"])
    with engine.begin() as connection:
        migrate(connection)
    engine.dispose()
