"""Migrate the tables to the version of this release."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine

import migrations
from storage.errors import SchemaOutdated
from storage.prerequisites import check_creation, check_server

VERSION_TABLE = "schema_version"


def upgrade(engine: Engine, revision: str = "head") -> str:
    """Run the missing migrations; return the version of the tables afterwards.

    Several processes may call it at once; an advisory lock makes them take turns. Raises
    DatabaseUnsuitable or RightsMissing before anything is created.
    """
    with engine.begin() as connection:
        check_server(connection)
        if current(connection) != newest():
            check_creation(connection)
        command.upgrade(_config(connection), revision)
        return current(connection) or "nothing"


def check(engine: Engine) -> str:
    """Return the version of the tables.

    Raises SchemaOutdated if it is not that of this release, and DatabaseUnsuitable.
    """
    required = newest()
    with engine.connect() as connection:
        check_server(connection)
        version = current(connection) or "nothing"
    if version != required:
        raise SchemaOutdated(
            f"The database's tables are at version {version} and this release needs {required}; "
            "run `plumbline db upgrade`."
        )
    return version


def newest() -> str:
    """Return the version that this release requires."""
    return ScriptDirectory.from_config(_config(None)).get_current_head() or "nothing"


def current(connection: Connection) -> str | None:
    """Return the version of the tables; None if there are no tables."""
    context = MigrationContext.configure(
        connection, opts={"version_table": VERSION_TABLE, "version_table_schema": "plumbline"}
    )
    return context.get_current_revision()


def _config(connection: Connection | None) -> Config:
    config = Config()
    folder = str(Path(migrations.__file__).parent)
    # Alembic reads the option with `configparser`, where a percent sign starts a reference.
    config.set_main_option("script_location", folder.replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
