"""Real servers for tests, each in a folder of its own; gone, with their processes, at the end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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
