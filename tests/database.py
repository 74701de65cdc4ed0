"""Alembic, tables and locks of a test's own database."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, inspect, text

import migrations

# Who waits for a row waits for its transaction, which is in no database.
WAITING_FOR_LOCK = text("""
SELECT count(*) FROM pg_locks AS waiting
WHERE NOT granted AND EXISTS (
    SELECT FROM pg_locks AS own JOIN pg_database ON pg_database.oid = own.database
    WHERE own.pid = waiting.pid AND datname = current_database())
""")


def alembic(engine: Engine, command_name: str, *arguments: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        getattr(command, command_name)(config, *arguments)


def tables(engine: Engine) -> set[str]:
    return set(inspect(engine).get_table_names(schema="plumbline"))


def count_waiting_for_lock(connection: Connection) -> int:
    """Return how many transactions wait for a lock."""
    return int(connection.execute(WAITING_FOR_LOCK).scalar_one())
