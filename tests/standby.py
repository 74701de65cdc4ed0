"""A PostgreSQL that starts as a standby, which is read-only until it is promoted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from tests.servers import postgres_server


@contextmanager
def standby(folder: Path) -> Iterator[str]:
    """Run the server of this folder, which was stopped, as a standby, and yield its URL."""
    (folder / "data" / "standby.signal").touch()
    with postgres_server(folder) as url:
        yield url


def promote(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        assert connection.execute("SELECT pg_promote()").fetchone() == (True,)
