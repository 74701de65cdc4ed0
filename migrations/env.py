"""Alembic's entry point: one connection, one transaction, one migrating process at a time."""

from __future__ import annotations

import os

from alembic import context
from sqlalchemy import Connection, text

from plumbline_client.limits import Limits
from plumbline_client.session import SAFE_SEARCH_PATH
from storage.database import MIGRATING, connect
from storage.migration_lock import VERSION_TABLE, lock_migrations
from storage.schema import SCHEMA
from storage.tables import Base

# Set again, because a session behind a connection pooler cannot.
TRANSACTION = text(f"""
SELECT set_config('search_path', '{SAFE_SEARCH_PATH}', true),
       set_config('statement_timeout', :statement_timeout, true),
       set_config('lock_timeout', :lock_timeout, true),
       set_config('idle_in_transaction_session_timeout', '0', true)
""")
# Nobody waits behind a wait for the turn, other than for a table.
TURN = Limits(MIGRATING.statement_s, lock_s=30.0)


def migrate(connection: Connection) -> None:
    connection.execute(TRANSACTION, TURN.settings())
    # Alembic leaves the schema's name out where it is the default, as it is for a role `plumbline`.
    connection.dialect.default_schema_name = "pg_catalog"
    lock_migrations(connection)
    connection.execute(TRANSACTION, MIGRATING.settings())
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
    engine = connect(os.environ["PLUMBLINE_DATABASE_URL"], limits=MIGRATING)
    with engine.begin() as connection:
        migrate(connection)
    engine.dispose()
