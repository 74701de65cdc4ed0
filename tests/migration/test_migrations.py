"""The migrations on a real PostgreSQL, from an empty database and back."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, inspect, make_url, text

import migrations
from storage import migrate
from storage.database import connect
from storage.errors import SchemaOutdated
from storage.locks import Lock, lock
from storage.serving import deployments
from storage.tables import Base
from tests.servers import database, postgres_server
from tests.waiting import eventually

HEAD = migrate.newest()


@pytest.fixture
def empty(postgres_server_url: str) -> Iterator[Engine]:
    """Create a database without tables for one test."""
    with database(postgres_server_url, "template0") as url:
        engine = connect(url)
        yield engine
        engine.dispose()


def alembic(engine: Engine, command_name: str, *arguments: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        getattr(command, command_name)(config, *arguments)


def tables(engine: Engine) -> set[str]:
    return set(inspect(engine).get_table_names(schema="plumbline"))


def test_empty_database_is_migrated_to_this_release(empty: Engine) -> None:
    assert migrate.upgrade(empty) == HEAD
    assert migrate.check(empty) == HEAD
    assert {table.name for table in Base.metadata.tables.values()} <= tables(empty)
    assert sorted(inspect(empty).get_view_names(schema="plumbline")) == ["quality", "results"]


def test_migrations_create_the_tables_of_the_models(empty: Engine) -> None:
    migrate.upgrade(empty)
    alembic(empty, "check")


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


def test_downgrade_to_nothing_can_be_upgraded_again(empty: Engine) -> None:
    migrate.upgrade(empty)
    alembic(empty, "downgrade", "base")
    assert tables(empty) == {migrate.VERSION_TABLE}
    assert inspect(empty).get_view_names(schema="plumbline") == []
    with pytest.raises(SchemaOutdated):
        migrate.check(empty)
    assert migrate.upgrade(empty) == HEAD
    alembic(empty, "check")


WAITING_FOR_LOCK = text(
    "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database "
    "WHERE datname = current_database() AND locktype = 'advisory' AND NOT granted"
)
UPGRADE = """
import sys
from storage import migrate
from storage.database import connect
print(migrate.upgrade(connect(sys.argv[1])))
"""


def test_concurrent_migrations_take_turns(empty: Engine) -> None:
    url = empty.url.render_as_string(hide_password=False)
    with empty.begin() as connection:
        lock(connection, Lock.MIGRATE)
        command_line = [sys.executable, "-c", UPGRADE, url]
        migrators = [
            subprocess.Popen(command_line, stdout=subprocess.PIPE, text=True) for _ in range(3)
        ]
        eventually(lambda: connection.execute(WAITING_FOR_LOCK).scalar_one() == 3)
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


def test_user_who_cannot_create_roles_can_migrate(tmp_path: Path) -> None:
    """The test runs its own server, because the roles exist on the shared one already."""
    with postgres_server(tmp_path) as url, psycopg.connect(url, autocommit=True) as admin:
        admin.execute("CREATE ROLE limited LOGIN NOCREATEROLE PASSWORD 'secret'")
        admin.execute("CREATE DATABASE owned OWNER limited")
        owned = make_url(url).set(username="limited", password="secret", database="owned")
        engine = connect(owned.render_as_string(hide_password=False))
        assert migrate.upgrade(engine) == HEAD
        roles = "SELECT count(*) FROM pg_roles WHERE rolname ^@ 'plumbline_'"
        assert admin.execute(roles).fetchone() == (0,)
        admin.execute("CREATE ROLE plumbline_producer NOLOGIN")
        with engine.begin() as connection:
            connection.execute(text("CALL plumbline.grant_roles()"))
            granted = text(
                "SELECT has_function_privilege('plumbline_producer', "
                "'plumbline.submit_v1(text, text, text, timestamptz)', 'execute')"
            )
            assert connection.execute(granted).scalar_one()
        engine.dispose()


def test_rollback_finds_versions_promoted_before_rollbacks_were_recorded(empty: Engine) -> None:
    with empty.begin() as connection:
        connection.execute(text("CREATE SCHEMA plumbline"))
    alembic(empty, "upgrade", "0002")
    with empty.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO plumbline.model_versions (model, manifest_sha256, metrics) "
                "VALUES ('m/1.0.0', '', '{}'), ('m/2.0.0', '', '{}')"
            )
        )
        connection.execute(
            text(
                "INSERT INTO plumbline.deployments (model, deployed_by, reason) "
                "VALUES ('m/1.0.0', 'ann', ''), ('m/2.0.0', 'ann', '')"
            )
        )
    migrate.upgrade(empty)
    with empty.begin() as connection:
        assert deployments.previous_model(connection) == "m/1.0.0"
        deployments.roll_back(connection, deployed_by="ann", reason="")
        assert deployments.serving(connection) == deployments.Serving("m/1.0.0")
        assert deployments.previous_model(connection) is None


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


def test_tables_of_other_schemas_are_ignored(empty: Engine) -> None:
    migrate.upgrade(empty)
    with empty.begin() as connection:
        connection.execute(text("CREATE TABLE public.other (id int)"))
    alembic(empty, "check")


def test_unknown_state_cannot_be_written(engine: Engine) -> None:
    with pytest.raises(Exception, match="jobs_state_check"), engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO plumbline.jobs (id, source, text_sha256, state) "
                "VALUES (gen_random_uuid(), 'test', '', 'lost')"
            )
        )
