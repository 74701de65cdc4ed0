"""What the database and the role lack is said before anything is created."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest
from sqlalchemy import Engine

from plumbline_client.errors import DatabaseRefused, PlumblineError
from storage import migrate, prerequisites
from storage.database import connect, open_engine
from storage.errors import DatabaseUnsuitable, RightsMissing
from storage.prerequisites import check_server, check_use
from tests.database import alembic, tables
from tests.roles import grant_use, role
from tests.servers import database, execute, with_database


@contextmanager
def engine_for(url: str) -> Iterator[Engine]:
    engine = connect(url)
    try:
        yield engine
    finally:
        engine.dispose()


@pytest.fixture
def empty_url(postgres_server_url: str) -> Iterator[str]:
    with database(postgres_server_url, "template0") as url:
        yield url


def name_of(url: str) -> str:
    return urlsplit(url).path[1:]


def upgrade_as(url: str) -> str:
    with engine_for(url) as engine:
        return migrate.upgrade(engine)


def refusal_of_upgrade(url: str, kind: type[PlumblineError]) -> str:
    with pytest.raises(kind) as refused:
        upgrade_as(url)
    sentence = str(refused.value)
    assert sentence.endswith(".") and "\n" not in sentence and "secret" not in sentence
    return sentence


def test_schema_that_the_role_owns_is_enough(empty_url: str) -> None:
    with role(empty_url) as (name, url):
        execute(empty_url, f"CREATE SCHEMA plumbline AUTHORIZATION {name}")
        assert upgrade_as(url) == migrate.newest()
        assert upgrade_as(url) == migrate.newest(), "a second upgrade needs no more rights"


def test_right_to_create_the_schema_is_enough(empty_url: str) -> None:
    with role(empty_url) as (name, url):
        execute(empty_url, f'GRANT CREATE ON DATABASE "{name_of(empty_url)}" TO {name}')
        assert upgrade_as(url) == migrate.newest()


def test_missing_right_to_create_the_schema_is_named(empty_url: str) -> None:
    with role(empty_url) as (name, url), engine_for(empty_url) as admin:
        assert refusal_of_upgrade(url, RightsMissing) == (
            f'The role "{name}" may not create the schema plumbline: run GRANT CREATE ON DATABASE '
            f'"{name_of(empty_url)}" TO "{name}", or CREATE SCHEMA plumbline AUTHORIZATION '
            f'"{name}".'
        )
        assert tables(admin) == set()
        execute(empty_url, "CREATE SCHEMA plumbline")
        assert "run GRANT USAGE, CREATE ON SCHEMA plumbline TO" in refusal_of_upgrade(
            url, RightsMissing
        )
        assert tables(admin) == set()


def test_tables_of_another_role_are_changed_by_that_role_only(empty_url: str) -> None:
    with engine_for(empty_url) as admin:
        migrate.upgrade(admin, "0002")
    with role(empty_url) as (name, url):
        execute(empty_url, f"GRANT ALL ON SCHEMA plumbline TO {name}")
        execute(empty_url, f"GRANT ALL ON ALL TABLES IN SCHEMA plumbline TO {name}")
        assert "The tables belong to the role " in refusal_of_upgrade(url, RightsMissing)
        upgrade_as(empty_url)
        assert upgrade_as(url) == migrate.newest(), "nothing is left to change"


def test_right_to_connect_is_named(empty_url: str) -> None:
    execute(empty_url, f'REVOKE CONNECT ON DATABASE "{name_of(empty_url)}" FROM PUBLIC')
    with (
        role(empty_url) as (name, url),
        pytest.raises(DatabaseRefused) as refused,
        open_engine(url) as engine,
    ):
        migrate.check(engine)
    assert f'GRANT CONNECT ON DATABASE "{name_of(empty_url)}" TO "{name}".' in str(refused.value)


def test_worker_needs_no_more_than_the_rights_that_its_refusal_names(database_url: str) -> None:
    with role(database_url) as (name, url), engine_for(url) as engine:
        with pytest.raises(RightsMissing) as refused, engine.begin() as connection:
            check_use(connection)
        assert f'run GRANT USAGE ON SCHEMA plumbline TO "{name}"' in str(refused.value)
        grant_use(database_url, name)
        with engine.begin() as connection:
            check_use(connection)
        assert migrate.check(engine) == migrate.newest()
        execute(database_url, f"REVOKE UPDATE ON plumbline.jobs FROM {name}")
        with (
            pytest.raises(RightsMissing, match=r"may not UPDATE in plumbline\.jobs"),
            engine.begin() as connection,
        ):
            check_use(connection)


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_database_of_another_encoding_is_refused_before_anything_is_created(
    postgres_server_url: str, encoding: str
) -> None:
    name = "test_" + uuid.uuid4().hex
    execute(
        postgres_server_url,
        f"CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}' "
        "LOCALE_PROVIDER libc LOCALE 'C'",
    )
    url = with_database(postgres_server_url, name)
    sentence = refusal_of_upgrade(url, DatabaseUnsuitable)
    assert f'The database "{name}" has the encoding {encoding}' in sentence
    assert "CREATE DATABASE name TEMPLATE template0 ENCODING 'UTF8'" in sentence
    with engine_for(url) as engine:
        with pytest.raises(DatabaseUnsuitable):
            migrate.check(engine)
        assert tables(engine) == set()
    execute(postgres_server_url, f"DROP DATABASE {name}")


def test_old_server_is_refused(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prerequisites, "OLDEST_MAJOR_VERSION", 99)
    with (
        pytest.raises(DatabaseUnsuitable, match="this release needs PostgreSQL 99 or newer"),
        engine.connect() as connection,
    ):
        check_server(connection)


def test_role_named_like_the_schema_gets_no_difference_from_the_models(empty_url: str) -> None:
    """For the role `plumbline`, which the server has, the schema is on the default path."""
    assert urlsplit(empty_url).username == "plumbline"
    execute(empty_url, "ALTER ROLE plumbline SET search_path = '$user', public")
    try:
        with engine_for(empty_url) as engine:
            migrate.upgrade(engine)
            alembic(engine, "check")
    finally:
        execute(empty_url, "ALTER ROLE plumbline RESET search_path")
