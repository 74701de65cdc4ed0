"""`plumbline db` with the rights, databases and roles that administrators hand out."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from storage import migrate
from tests.command import Cli
from tests.roles import HOSTILE_SETTINGS, role
from tests.servers import database, execute


@pytest.fixture
def empty_url(postgres_server_url: str) -> Iterator[str]:
    with database(postgres_server_url, "template0") as url:
        yield url


def test_upgrade_names_the_missing_right_and_needs_no_other(cli: Cli, empty_url: str) -> None:
    with role(empty_url, HOSTILE_SETTINGS) as (name, url):
        limited = cli.with_settings(database_url=f"{url}\n")
        sentence = limited.error("db", "upgrade")
        assert f'or CREATE SCHEMA plumbline AUTHORIZATION "{name}".' in sentence
        execute(empty_url, f"CREATE SCHEMA plumbline AUTHORIZATION {name}")
        assert limited.json("db", "upgrade") == {"version": migrate.newest()}
        limited.run("submit", "--text", "See you at six")


def test_role_that_may_not_connect_or_submit_gets_the_grant(cli: Cli, database_url: str) -> None:
    database_name = urlsplit(database_url).path[1:]
    with role(database_url) as (name, url):
        limited = cli.with_settings(database_url=url)
        assert limited.error("submit", "--text", "See you at six").endswith(
            f'run GRANT USAGE ON SCHEMA "plumbline" TO "{name}".'
        )
        execute(database_url, f'REVOKE CONNECT ON DATABASE "{database_name}" FROM PUBLIC')
        assert limited.error("results").endswith(
            f'run GRANT CONNECT ON DATABASE "{database_name}" TO "{name}".'
        )
        execute(database_url, f'GRANT CONNECT ON DATABASE "{database_name}" TO {name}')
        execute(database_url, f"ALTER ROLE {name} CONNECTION LIMIT 0")
        assert "cannot be reached: " in limited.error("db", "check")
