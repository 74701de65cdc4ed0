"""Upgrade and check of the tables, on a real PostgreSQL."""

from __future__ import annotations

import subprocess
import sys

import pytest
from sqlalchemy import Engine, text

from storage import migrate
from storage.errors import SchemaOutdated
from storage.migration_lock import lock_migrations
from tests.database import alembic, count_waiting_for_lock, tables
from tests.waiting import eventually

HEAD = migrate.newest()


def test_second_upgrade_changes_nothing(empty: Engine) -> None:
    migrate.upgrade(empty)
    with empty.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO plumbline.jobs (id, source, text_sha256, state) "
                "VALUES (gen_random_uuid(), 'test', '', 'queued')"
            )
        )
    assert migrate.upgrade(empty) == HEAD
    with empty.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM plumbline.jobs")).scalar_one() == 1


UPGRADE = """
import sys
from storage import migrate
from storage.database import connect
print(migrate.upgrade(connect(sys.argv[1])))
"""


def test_concurrent_migrations_take_turns(empty: Engine) -> None:
    url = empty.url.render_as_string(hide_password=False)
    with empty.begin() as connection:
        lock_migrations(connection)
        command_line = [sys.executable, "-c", UPGRADE, url]
        migrators = [
            subprocess.Popen(command_line, stdout=subprocess.PIPE, text=True) for _ in range(3)
        ]
        eventually(lambda: count_waiting_for_lock(connection) == 3)
    assert [migrator.communicate(timeout=60)[0].strip() for migrator in migrators] == [HEAD] * 3
    assert [migrator.returncode for migrator in migrators] == [0] * 3
    alembic(empty, "check")


def test_failed_migration_leaves_nothing_behind(empty: Engine) -> None:
    with empty.begin() as connection:
        connection.execute(text("CREATE SCHEMA plumbline"))
        # The last table that the migration creates.
        connection.execute(text("CREATE TABLE plumbline.predictions (obstacle int)"))
    with pytest.raises(Exception, match="already exists"):
        migrate.upgrade(empty)
    assert tables(empty) == {"predictions"}


def test_check_of_a_database_without_tables_names_the_command_to_run(empty: Engine) -> None:
    with pytest.raises(SchemaOutdated) as outdated:
        migrate.check(empty)
    assert str(outdated.value) == (
        f"The database's tables are at version nothing and this release needs {HEAD}; "
        "run `plumbline db upgrade`."
    )
    assert tables(empty) == set(), "the check creates no tables"


def test_check_refuses_tables_of_another_release(empty: Engine) -> None:
    migrate.upgrade(empty)
    with empty.begin() as connection:
        connection.execute(text("UPDATE plumbline.schema_version SET version_num = '9999'"))
    with pytest.raises(SchemaOutdated, match="are at version 9999 and this release needs"):
        migrate.check(empty)


def test_current_version_is_that_of_the_latest_upgrade(empty: Engine) -> None:
    with empty.connect() as connection:
        assert migrate.current(connection) is None
    assert migrate.upgrade(empty, "0002") == "0002"
    with empty.connect() as connection:
        assert migrate.current(connection) == "0002"
    assert migrate.upgrade(empty) == HEAD == migrate.check(empty)
