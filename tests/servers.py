"""Real servers for tests, each in a folder of its own and stopped at the end of the block."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from plumbline.embedded import postgres, redis
from plumbline.redis_users import RedisUser

# Does to a Redis what no user of Plumbline may, such as filling it or letting it refuse commands.
TESTER = RedisUser("tester", ["*"], ["+@all", "&*"])
# What precedes the @ in a URL: of the tester, and of the worker's user on the same server.
_WORKERS: dict[str, str] = {}


@contextmanager
def postgres_server(folder: Path) -> Iterator[str]:
    """Run a PostgreSQL and yield its URL. Its database `plumbline` is empty and not migrated."""
    with postgres.postgres_server(folder) as server:
        yield server.url


@contextmanager
def redis_server(folder: Path) -> Iterator[str]:
    """Run a Redis and yield its URL, whose user may do everything."""
    with redis.redis_server(folder, [TESTER]) as server:
        url = server.urls[TESTER.name]
        _WORKERS[_login(url)] = _login(server.url)
        yield url


def for_worker(broker_url: str) -> str:
    """Return the URL with the user of workers, if it is that of a tester."""
    login = _login(broker_url)
    return broker_url.replace(login, _WORKERS.get(login, login), 1) if login else broker_url


def _login(url: str) -> str:
    return url.rpartition("@")[0].rpartition("//")[2]


@contextmanager
def database(server_url: str, template: str) -> Iterator[str]:
    """Copy the database `template`, which takes milliseconds, and yield the copy's URL."""
    name = "test_" + uuid.uuid4().hex
    # By default PostgreSQL would write the copy to its log as well, page by page.
    execute(server_url, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
    yield with_database(server_url, name)
    execute(server_url, f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def unavailable(server_url: str, name: str) -> Iterator[None]:
    """Close all connections to a database and refuse new ones until the end of the block."""
    execute(server_url, f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    execute(
        server_url,
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'",
    )
    yield
    execute(server_url, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")


def with_database(server_url: str, database: str) -> str:
    """Return the URL with another database name."""
    return server_url.rpartition("/")[0] + "/" + database


def execute(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement)
