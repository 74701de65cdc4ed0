"""The embedded servers keep their data, and nothing a killed run left behind stops the next."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import psycopg
import pytest
from redis import Redis

from plumbline.embedded import lock
from plumbline.embedded.celery_process import RESTARTS, Part
from plumbline.embedded.child import Server
from plumbline.embedded.errors import EmbeddedFailed, FolderBusy
from plumbline.embedded.interrupts import Interrupts
from plumbline.embedded.postgres import postgres
from plumbline.embedded.redis import redis_server
from plumbline.embedded.stack import Stack, child_environment, stack
from plumbline.services import address_file, connected, lock_file
from plumbline.settings import Settings
from plumbline_client.errors import ServicesMissing
from tests.leftovers import listens, processes_of
from tests.waiting import eventually

# Longer than a Unix socket's path may be, and with what shells and configurations stumble over.
AWKWARD = Path("a folder") / 'with "quotes" and \\' / ("deep" * 30)

Start = Callable[[Path], AbstractContextManager[Server]]
BOTH = pytest.mark.parametrize("start", [postgres, redis_server])
HOLD = """
import sys, time
from pathlib import Path
from plumbline.embedded.{module} import {name}
with {name}(Path(sys.argv[1])) as server:
    print(server.url, flush=True)
    time.sleep(600)  # until the test kills it
"""


@dataclass
class Heard:
    """A narrator that remembers."""

    said: list[str] = field(default_factory=list)

    def step(self, what: str) -> None:
        self.said.append(what)

    def done(self) -> None:
        pass

    def stopped(self) -> None:
        pass

    def say(self, sentence: str) -> None:
        self.said.append(sentence)


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
def test_it_keeps_its_data_and_its_address(start: Start, tmp_path: Path) -> None:
    folder = tmp_path / AWKWARD
    with start(folder) as server:
        first = server.url
        write(first)
        with pytest.raises(FolderBusy), start(folder):
            pass
    assert not listens(first)
    assert processes_of(folder) == []
    with start(folder) as server:
        assert server.url == first
        assert read(server.url) == "yes"
    assert not lock.is_held(folder / "lock")


@BOTH
def test_what_a_killed_run_left_behind_is_ended(start: Start, tmp_path: Path) -> None:
    code = HOLD.format(module=start.__module__.rpartition(".")[2], name=start.__name__)
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    url = holder.stdout.readline().strip()
    write(url)
    # A server that does not notice the death of its starter is what must be found and ended.
    stopped = [child for child in psutil.Process(holder.pid).children() if child.is_running()]
    for child in stopped:
        child.suspend()
    holder.kill()
    holder.wait()
    holder.stdout.close()
    with start(tmp_path) as server:
        assert read(server.url) == "yes"
        assert not any(child.is_running() and child.status() == "stopped" for child in stopped)
    assert processes_of(tmp_path) == []


def test_a_taken_port_is_left_alone(tmp_path: Path) -> None:
    with redis_server(tmp_path / "one") as one:
        (tmp_path / "two").mkdir()
        (tmp_path / "two" / "port").write_text(one.url.rpartition(":")[2].removesuffix("/0"))
        with redis_server(tmp_path / "two") as two:
            assert two.url != one.url
            assert listens(one.url)
            assert listens(two.url)


def test_addresses_of_a_dead_run_are_not_believed(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path, _env_file=None)
    address_file(settings).write_text(
        json.dumps({"database_url": "postgresql://x@127.0.0.1:1/x", "broker_url": "redis://x"})
    )
    with pytest.raises(ServicesMissing, match="Nothing runs here"):
        connected(settings)
    with lock.held(lock_file(settings), "busy"):
        found = connected(settings)
    assert found.broker_url is not None


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    settings = Settings(state_dir=tmp_path / "file" / "state", _env_file=None)
    with pytest.raises(EmbeddedFailed, match="set PLUMBLINE_STATE_DIR"), stack(settings, Heard()):
        pass


def test_children_see_every_setting_as_it_holds_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLUMBLINE_DATABASE_URL", "postgresql://elsewhere")
    monkeypatch.setenv("PLUMBLINE_LEASE_S", "7.5")
    settings = Settings.read().model_copy(update={"database_url": None, "state_dir": tmp_path})
    environment = child_environment(settings)
    assert "PLUMBLINE_DATABASE_URL" not in environment
    for name, value in environment.items():
        if name.startswith("PLUMBLINE_"):
            monkeypatch.setenv(name, value)
    monkeypatch.delenv("PLUMBLINE_DATABASE_URL")
    assert Settings.read() == settings


def test_a_part_that_dies_is_started_again_until_it_dies_too_often(tmp_path: Path) -> None:
    part = Part("The sleeper", ["sleep", "600"], tmp_path / "log", tmp_path, dict(os.environ))
    heard = Heard()
    with Interrupts() as interrupts:
        settings = Settings(state_dir=tmp_path, _env_file=None)
        running = Stack(settings, [], [part], heard, interrupts)
        part.start()
        for _ in range(RESTARTS):
            assert part.process is not None
            part.process.kill()
            eventually(lambda: running.supervise() or part.process is None)
            # As if the wait before its next start were over.
            part.start_at = time.monotonic()
            running.supervise()
            assert part.process is not None
        part.process.kill()
        with pytest.raises(EmbeddedFailed, match="the 5th time, so everything stops"):
            eventually(lambda: running.supervise())
    assert len(heard.said) == RESTARTS
    assert heard.said[0].startswith("The sleeper was killed by SIGKILL and starts again in 1 s")
    assert processes_of(tmp_path) == []


def test_a_part_that_does_not_end_when_asked_is_killed(tmp_path: Path) -> None:
    stubborn = "import signal; signal.signal(15, signal.SIG_IGN); print(1, flush=True); input()"
    code = f"import os; r, w = os.pipe(); os.dup2(r, 0); {stubborn}"
    part = Part("It", [sys.executable, "-c", code], tmp_path / "log", tmp_path, dict(os.environ))
    part.start()
    eventually(lambda: part.log.read_bytes())
    part.ask_to_end()
    assert part.wait(0.5) is False
    assert part.process is not None and part.process.returncode == -signal.SIGKILL
