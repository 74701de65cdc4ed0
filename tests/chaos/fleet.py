"""Servers and Celery processes that are killed and come back, as under a supervisor.

Everything here is called from one thread: Linux ends a child when the thread that made it ends.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from random import Random

import psutil
import psycopg

from plumbline.embedded import child, postgres, redis
from plumbline.embedded.child import Server
from plumbline.queues import SCORE_QUEUE, UPKEEP_QUEUE
from tests.chaos.plan import Kill, Target
from tests.command import CHECKOUT
from tests.workers import environment

PORT_TRIES = 20
# A worker that finds PostgreSQL or Redis away does not start, and may be asked to again.
REFUSALS = 60
APP = "tests.poison_app"


class Killable:
    """A server whose place (URL, folder) outlives its process."""

    def __init__(self, open_: Callable[[], AbstractContextManager[Server]]) -> None:
        self._open = open_
        self._opened = ExitStack()
        self._back_at: float | None = None
        self.server = self._start()
        self.url = self.server.url

    def kill(self, down_s: float) -> None:
        self.server.process.kill()
        self.server.process.wait()
        self._opened.close()
        self._back_at = time.monotonic() + down_s

    @property
    def is_up(self) -> bool:
        return self._back_at is None

    def supervise(self) -> None:
        if self._back_at is None or time.monotonic() < self._back_at:
            return
        for _ in range(PORT_TRIES):
            self.server = self._start()
            if self.server.url == self.url:
                self._back_at = None
                return
            # Somebody's outgoing connection sits on the port for a moment.
            self._opened.close()
        raise AssertionError(f"{self.server.name} does not get its port back")

    def close(self) -> None:
        self._opened.close()

    def _start(self) -> Server:
        self._opened = ExitStack()
        return self._opened.enter_context(self._open())


class Process:
    """A Celery process that is started again whenever it ends; its orphans stay, as they may."""

    def __init__(self, name: str, command: list[str], folder: Path, env: Mapping[str, str]) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self.starts = 0
        self._command = [sys.executable, "-m", "celery", "-A", APP, *command, "--loglevel=INFO"]
        self._folder = folder
        self._environment = env
        self._groups: list[int] = []
        self._refusals = 0
        self._start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def supervise(self) -> None:
        """Start it again if it ended; give up on one that never comes up."""
        status = self._process.poll()
        if status is None:
            return
        self._refusals = self._refusals + 1 if status > 0 else 0
        if self._refusals > REFUSALS:
            raise AssertionError(f"{self.name} does not start: {child.log_tail(self.log)}")
        self._start()

    def children(self) -> list[int]:
        try:
            return [process.pid for process in psutil.Process(self.pid).children()]
        except psutil.NoSuchProcess:
            return []

    def drain(self, timeout_s: float) -> bool:
        """End it as a user would; True if it went by itself. Nothing of it stays."""
        went = child.stop(self._process, signal.SIGTERM, timeout_s)
        for group in self._groups:
            child.kill_group(group)
        return went

    def _start(self) -> None:
        self._process = child.start(
            self._command, log=self.log, environment=self._environment, cwd=self._folder
        )
        self._groups.append(self._process.pid)
        self.starts += 1


class Fleet:
    """Everything that runs beside the producers."""

    def __init__(self, folder: Path, settings: Mapping[str, object]) -> None:
        self.folder = folder
        self._settings = settings
        self.postgres = Killable(lambda: postgres.postgres(folder / "postgres"))
        try:
            self.redis = Killable(lambda: redis.redis_server(folder / "redis"))
        except BaseException:
            self.postgres.close()
            raise
        self.processes: dict[str, Process] = {}

    @property
    def environment(self) -> dict[str, str]:
        given = environment(self.postgres.url, self.redis.url, self.folder, self._settings)
        return given | {"PYTHONPATH": str(CHECKOUT)}

    def start_processes(self) -> None:
        """The main worker, the express worker beside it, and beat, as `plumbline up` has them."""
        quick = ["--without-mingle", "--without-gossip"]
        express = f"--queues={SCORE_QUEUE},{UPKEEP_QUEUE}"
        commands = {
            "worker": ["worker", "--concurrency=2", "--hostname=main@chaos", *quick],
            "express": ["worker", "--concurrency=1", "--hostname=express@chaos", express, *quick],
            "beat": ["beat", "--schedule", str(self.folder / "schedule"), "--pidfile="],
        }
        for name, command in commands.items():
            self.processes[name] = Process(name, command, self.folder, self.environment)

    def supervise(self) -> None:
        """Bring back what is down; call it often."""
        for server in (self.postgres, self.redis):
            server.supervise()
        for process in self.processes.values():
            process.supervise()

    def kill(self, kill: Kill, random: Random) -> bool:
        """Kill one of what `kill` names; False where there is none at this moment."""
        if kill.target in (Target.REDIS, Target.POSTGRES):
            server = self.redis if kill.target is Target.REDIS else self.postgres
            if not server.is_up:
                return False
            server.kill(kill.down_s)
            return True
        pids = self._pids(kill.target)
        if not pids:
            return False
        with suppress(ProcessLookupError):
            os.kill(random.choice(pids), signal.SIGKILL)
            return True
        return False

    def _pids(self, target: Target) -> list[int]:
        workers = [process for name, process in self.processes.items() if name != "beat"]
        if target is Target.BACKEND:
            return self._backends()
        if target is Target.CHILD:
            return sorted(pid for process in workers for pid in process.children())
        if target is Target.BEAT:
            return [self.processes["beat"].pid]
        # One that has no children yet has only just come back.
        return [process.pid for process in workers if process.children()]

    def _backends(self) -> list[int]:
        """Those that serve Plumbline: PostgreSQL answers the death of one by a recovery for all."""
        try:
            with psycopg.connect(self.postgres.url, connect_timeout=5) as connection:
                rows = connection.execute(
                    "SELECT pid FROM pg_stat_activity WHERE application_name = 'plumbline'"
                )
                return [pid for (pid,) in rows]
        except psycopg.OperationalError:
            return []

    def close(self) -> None:
        for process in self.processes.values():
            process.drain(timeout_s=20.0)
        self.redis.close()
        self.postgres.close()


@contextmanager
def fleet(folder: Path, settings: Mapping[str, object]) -> Iterator[Fleet]:
    running = Fleet(folder, settings)
    try:
        yield running
    finally:
        running.close()
