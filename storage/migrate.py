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

VERSION_TABLE = "schema_version"


def upgrade(engine: Engine, revision: str = "head") -> str:
    """Run the missing migrations; return the version of the tables afterwards.

    Several processes may call it at once; an advisory lock makes them take turns.
    """
    with engine.begin() as connection:
        command.upgrade(_config(connection), revision)
        return current(connection) or "nothing"


def check(engine: Engine) -> str:
    """Return the version of the tables; raise SchemaOutdated if it is not that of this release."""
    required = newest()
    with engine.connect() as connection:
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
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.attributes["connection"] = connection
    return config
