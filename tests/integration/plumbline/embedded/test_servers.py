"""PostgreSQL and Redis keep their data, and start again after a run that was killed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import psutil
import psycopg
import pytest
from redis import Redis

from plumbline.embedded.child_process import Server
from plumbline.embedded.errors import FolderBusy
from plumbline.embedded.postgres import postgres_server
from plumbline.embedded.redis import redis_server
from plumbline_client.services import is_locked
from tests.leftovers import listens, processes_of

# Longer than the path of a Unix socket may be, with characters that shells and parsers mishandle.
AWKWARD = Path("a folder") / 'with "quotes" and \\' / ("deep" * 30)

Start = Callable[[Path], AbstractContextManager[Server]]
BOTH = pytest.mark.parametrize("start", [postgres_server, redis_server])
RUN_SERVER = """
import sys, time
from pathlib import Path
from plumbline.embedded.{module} import {name}
with {name}(Path(sys.argv[1])) as server:
    print(server.url, flush=True)
    time.sleep(600)  # until the test kills it
"""


def write(url: str) -> None:
    if url.startswith("redis"):
        with Redis.from_url(url) as connection:
            connection.set("kept", "yes")
        return
    with psycopg.connect(url, autocommit=True) as database:
        database.execute("CREATE TABLE kept AS SELECT 'yes' AS answer")


def read(url: str) -> str:
    if url.startswith("redis"):
        with Redis.from_url(url, decode_responses=True) as connection:
            return str(connection.get("kept"))
    with psycopg.connect(url) as database:
        row = database.execute("SELECT answer FROM kept").fetchone()
        assert row is not None
        return str(row[0])


@BOTH
def test_a_server_keeps_its_data_and_its_url(start: Start, tmp_path: Path) -> None:
    folder = tmp_path / AWKWARD
    with start(folder) as server:
        url = server.url
        write(url)
        with pytest.raises(FolderBusy), start(folder):
            pass
    assert not listens(url)
    assert processes_of(folder) == []
    with start(folder) as server:
        assert server.url == url
        assert read(server.url) == "yes"
    assert not is_locked(folder / "lock")


@BOTH
def test_the_server_of_a_killed_run_is_stopped(start: Start, tmp_path: Path) -> None:
    code = RUN_SERVER.format(module=start.__module__.rpartition(".")[2], name=start.__name__)
    run = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    with run:
        assert run.stdout is not None
        url = run.stdout.readline().strip()
        write(url)
        # A suspended server does not notice that its parent died.
        orphans = [child for child in psutil.Process(run.pid).children() if child.is_running()]
        for orphan in orphans:
            orphan.suspend()
        run.kill()
    with start(tmp_path) as server:
        assert read(server.url) == "yes"
        assert not any(orphan.is_running() and orphan.status() == "stopped" for orphan in orphans)
    assert processes_of(tmp_path) == []


def test_a_port_that_is_taken_is_not_used(tmp_path: Path) -> None:
    with redis_server(tmp_path / "one") as one:
        (tmp_path / "two").mkdir()
        (tmp_path / "two" / "port").write_text(one.url.rpartition(":")[2].removesuffix("/0"))
        with redis_server(tmp_path / "two") as two:
            assert two.url != one.url
            assert listens(one.url)
            assert listens(two.url)
