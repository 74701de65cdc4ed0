"""Real servers for tests, each in a folder of its own; gone, with their processes, at the end."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from plumbline.embedded import postgres, redis


@contextmanager
def postgres_server(folder: Path) -> Iterator[str]:
    """A PostgreSQL; yields its URL. Its database `plumbline` is empty, not migrated."""
    with postgres.postgres(folder) as server:
        yield server.url


@contextmanager
def redis_server(folder: Path) -> Iterator[str]:
    """A Redis; yields its URL."""
    with redis.redis_server(folder) as server:
        yield server.url


@contextmanager
def database(server_url: str, template: str) -> Iterator[str]:
    """A copy of the database `template`, which takes milliseconds; yields its URL."""
    name = "test_" + uuid.uuid4().hex
    execute(server_url, f"CREATE DATABASE {name} TEMPLATE {template}")
    yield named(server_url, name)
    execute(server_url, f"DROP DATABASE {name} WITH (FORCE)")


def named(server_url: str, database: str) -> str:
    return server_url.rpartition("/")[0] + "/" + database


def execute(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement)
