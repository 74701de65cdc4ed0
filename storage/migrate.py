"""Bring the tables to this release's version, from a program as from the command line."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine

import migrations
from storage.errors import SchemaOutdated

VERSION_TABLE = "schema_version"


def upgrade(engine: Engine, revision: str = "head") -> str:
    """Run the migrations that are missing; return the version the tables are at now.

    Safe to call from several processes at once: they take turns under an advisory lock.
    """
    with engine.begin() as connection:
        command.upgrade(_config(connection), revision)
        return current(connection) or "nothing"


def check(engine: Engine) -> str:
    """Return the tables' version; raise `SchemaOutdated` where it is not this release's."""
    needed = newest()
    with engine.connect() as connection:
        found = current(connection) or "nothing"
    if found != needed:
        raise SchemaOutdated(
            f"The database's tables are at version {found} and this release needs {needed}; "
            "run `plumbline db upgrade`."
        )
    return found


def newest() -> str:
    """The version this release needs."""
    return ScriptDirectory.from_config(_config(None)).get_current_head() or "nothing"


def current(connection: Connection) -> str | None:
    """The version the tables are at; None where there are none."""
    context = MigrationContext.configure(
        connection, opts={"version_table": VERSION_TABLE, "version_table_schema": "plumbline"}
    )
    return context.get_current_revision()


def _config(connection: Connection | None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.attributes["connection"] = connection
    return config
