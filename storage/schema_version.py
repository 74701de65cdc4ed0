"""The version of the tables, without Alembic, which takes 18 MB of each worker process."""

from __future__ import annotations

import re
from pathlib import Path

from sqlalchemy import Connection, Engine, text

import migrations
from storage.errors import SchemaOutdated
from storage.migration_lock import VERSION_TABLE
from storage.prerequisites import check_server

# The name of a migration's file begins with its revision.
REVISION = re.compile(r"(\d{4})_\w+\.py")
TABLE = f"plumbline.{VERSION_TABLE}"
# The catalogue answers a role that may not use the schema, and to_regclass does not.
EXISTS = text("""
SELECT EXISTS (SELECT FROM pg_class JOIN pg_namespace AS schemas ON schemas.oid = relnamespace
               WHERE nspname = 'plumbline' AND relname = :table)
""")


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
    files = (Path(migrations.__file__).parent / "versions").iterdir()
    revisions = [match[1] for file in files if (match := REVISION.fullmatch(file.name))]
    return max(revisions, default="nothing")


def current(connection: Connection) -> str | None:
    """Return the version of the tables; None if there are no tables."""
    if not connection.execute(EXISTS, {"table": VERSION_TABLE}).scalar_one():
        return None
    version: str | None = connection.execute(text(f"SELECT version_num FROM {TABLE}")).scalar()
    return version
