"""Alembic's migrations on a real PostgreSQL, from nothing and back."""

from __future__ import annotations

import subprocess
import sys
import uuid
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
from storage.serving import deployments
from storage.tables import Base
from tests.servers import postgres_server
from tests.waiting import eventually

HEAD = migrate.newest()
# As in migrations/env.py, which only Alembic can import.
ADVISORY_LOCK = 0x6D696772


@pytest.fixture
def empty(postgres_server_url: str) -> Iterator[Engine]:
    """A database of the test's own without a single table."""
    name = "empty_" + uuid.uuid4().hex
    with psycopg.connect(postgres_server_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        engine = connect(postgres_server_url.rpartition("/")[0] + "/" + name)
        yield engine
        engine.dispose()
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def alembic(engine: Engine, verb: str, *arguments: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        getattr(command, verb)(config, *arguments)


def tables(engine: Engine) -> set[str]:
    return set(inspect(engine).get_table_names(schema="plumbline"))


def test_from_nothing_to_this_release(empty: Engine) -> None:
    assert migrate.upgrade(empty) == HEAD
    assert migrate.check(empty) == HEAD
    assert {table.name for table in Base.metadata.tables.values()} <= tables(empty)
    assert sorted(inspect(empty).get_view_names(schema="plumbline")) == ["quality", "results"]


def test_tables_and_migrations_say_the_same(empty: Engine) -> None:
    migrate.upgrade(empty)
    alembic(empty, "check")


def test_upgrading_again_changes_nothing(empty: Engine) -> None:
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


def test_down_to_nothing_and_up_again(empty: Engine) -> None:
    migrate.upgrade(empty)
    alembic(empty, "downgrade", "base")
    assert tables(empty) == {migrate.VERSION_TABLE}
    assert inspect(empty).get_view_names(schema="plumbline") == []
    with pytest.raises(SchemaOutdated):
        migrate.check(empty)
    assert migrate.upgrade(empty) == HEAD
    alembic(empty, "check")


WAITING = text(
    "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database "
    "WHERE datname = current_database() AND locktype = 'advisory' AND NOT granted"
)
UPGRADE = """
import sys
from storage import deployments, migrate
from storage.database import connect
print(migrate.upgrade(connect(sys.argv[1])))
"""


def test_migrators_at_once_take_turns(empty: Engine) -> None:
    url = empty.url.render_as_string(hide_password=False)
    with empty.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})
        command_line = [sys.executable, "-c", UPGRADE, url]
        migrators = [
            subprocess.Popen(command_line, stdout=subprocess.PIPE, text=True) for _ in range(3)
        ]
        eventually(lambda: connection.execute(WAITING).scalar_one() == 3)
    assert [migrator.communicate(timeout=60)[0].strip() for migrator in migrators] == [HEAD] * 3
    assert [migrator.returncode for migrator in migrators] == [0] * 3
    alembic(empty, "check")


def test_a_migration_that_fails_leaves_nothing_behind(empty: Engine) -> None:
    with empty.begin() as connection:
        connection.execute(text("CREATE SCHEMA plumbline"))
        # The last table the migration makes.
        connection.execute(text("CREATE TABLE plumbline.predictions (in_the_way int)"))
    with pytest.raises(Exception, match="already exists"):
        migrate.upgrade(empty)
    assert tables(empty) == {"predictions"}


def test_who_may_not_make_roles_migrates_all_the_same(tmp_path: Path) -> None:
    """On a server of its own: the roles belong to the server, and others have them already."""
    with postgres_server(tmp_path) as url, psycopg.connect(url, autocommit=True) as admin:
        admin.execute("CREATE ROLE humble LOGIN NOCREATEROLE PASSWORD 'secret'")
        admin.execute("CREATE DATABASE theirs OWNER humble")
        owned = make_url(url).set(username="humble", password="secret", database="theirs")
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


def test_a_rollback_finds_what_was_promoted_before_rollbacks_were_written(empty: Engine) -> None:
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


def test_a_database_without_tables_is_told_what_to_do(empty: Engine) -> None:
    with pytest.raises(SchemaOutdated) as outdated:
        migrate.check(empty)
    assert str(outdated.value) == (
        f"The database's tables are at version nothing and this release needs {HEAD}; "
        "run `plumbline db upgrade`."
    )
    assert tables(empty) == set(), "looking made nothing"


def test_tables_of_another_release_are_told_too(empty: Engine) -> None:
    migrate.upgrade(empty)
    with empty.begin() as connection:
        connection.execute(text("UPDATE plumbline.schema_version SET version_num = '9999'"))
    with pytest.raises(SchemaOutdated, match="are at version 9999 and this release needs"):
        migrate.check(empty)


def test_other_schemas_of_the_database_are_none_of_ours(empty: Engine) -> None:
    migrate.upgrade(empty)
    with empty.begin() as connection:
        connection.execute(text("CREATE TABLE public.theirs (id int)"))
    alembic(empty, "check")


def test_a_state_nobody_knows_cannot_be_written(engine: Engine) -> None:
    with pytest.raises(Exception, match="jobs_state_check"), engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO plumbline.jobs (id, source, text_sha256, state) "
                "VALUES (gen_random_uuid(), 'test', '', 'lost')"
            )
        )
