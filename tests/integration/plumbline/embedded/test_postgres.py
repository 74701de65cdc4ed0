"""PostgreSQL keeps its data, and starts again after a run that was killed."""

from __future__ import annotations

from pathlib import Path

import psycopg

from plumbline.embedded.postgres import postgres_server
from tests import embedded_servers


def write(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as database:
        database.execute("CREATE TABLE kept AS SELECT 'yes' AS answer")


def read(url: str) -> str:
    with psycopg.connect(url) as database:
        row = database.execute("SELECT answer FROM kept").fetchone()
        assert row is not None
        return str(row[0])


def test_postgres_keeps_its_data_and_its_url(tmp_path: Path) -> None:
    embedded_servers.check_data_and_url_are_kept(postgres_server, tmp_path, write, read)


def test_postgres_of_a_killed_run_is_stopped(tmp_path: Path) -> None:
    embedded_servers.check_server_of_a_killed_run_is_stopped(postgres_server, tmp_path, write, read)
