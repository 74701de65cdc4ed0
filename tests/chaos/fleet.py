"""Servers and Celery processes that are killed and started again, as by a process supervisor.

One thread calls everything here: Linux ends a child process when the thread that started it ends.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random

import psutil
import psycopg

from plumbline.embedded import child_process
from plumbline.queues import SCORE_QUEUE, UPKEEP_QUEUE
from tests.chaos.plan import Disturbance, Kill, Target
from tests.chaos.servers import DisturbedPostgres, DisturbedRedis
from tests.paths import CHECKOUT
from tests.skewed_clock import SkewedClock
from tests.workers import environment

# A worker does not start while PostgreSQL or Redis is down, so it is started repeatedly.
MAX_FAILED_STARTS = 60
DRAIN_TIMEOUT_S = 20.0
# How far the clock of a worker or of beat is off, at most, in either direction.
MAX_SKEW_S = 900.0
APP = "tests.poison_app"


class SupervisedProcess:
    """A Celery process that is started again whenever it ends. Its orphans are left alone."""

    def __init__(
        self,
        name: str,
        command: list[str],
        folder: Path,
        environments: Iterator[Mapping[str, str]],
    ) -> None:
        """`environments` yields the environment of each start."""
        self.name = name
        self.log = folder / f"{name}.log"
        self._command = [sys.executable, "-m", "celery", "-A", APP, *command, "--loglevel=INFO"]
        self._folder = folder
        self._environments = environments
        self._groups: list[int] = []
        self._failed_starts = 0
        self._start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def supervise(self) -> None:
        """Start the process again if it ended. Raises AssertionError if it never starts."""
        status = self._process.poll()
        if status is None:
            return
        self._failed_starts = self._failed_starts + 1 if status > 0 else 0
        if self._failed_starts > MAX_FAILED_STARTS:
            raise AssertionError(f"{self.name} does not start: {child_process.quote_log(self.log)}")
        self._start()

    def children(self) -> list[int]:
        try:
            return [process.pid for process in psutil.Process(self.pid).children()]
        except psutil.NoSuchProcess:
            return []

    def drain(self, timeout_s: float) -> None:
        """Send SIGTERM, and after the timeout kill whatever is left, orphans included."""
        child_process.stop(self._process, signal.SIGTERM, timeout_s)
        for group in self._groups:
            child_process.kill_group(group)

    def _start(self) -> None:
        self._process = child_process.start(
            self._command, log=self.log, environment=next(self._environments), cwd=self._folder
        )
        self._groups.append(self._process.pid)


class Fleet:
    """Everything that runs apart from the producers."""

    def __init__(self, folder: Path, settings: Mapping[str, object], seed: int) -> None:
        self.folder = folder
        self._random = Random(seed)
        self._settings = settings
        self.postgres = DisturbedPostgres(folder / "postgres")
        try:
            self.redis = DisturbedRedis(folder / "redis")
        except BaseException:
            self.postgres.close()
            raise
        self.processes: dict[str, SupervisedProcess] = {}

    @property
    def environment(self) -> dict[str, str]:
        variables = environment(self.postgres.url, self.redis.url, self.folder, self._settings)
        return variables | {"PYTHONPATH": str(CHECKOUT)}

    def start_processes(self) -> None:
        """Start the main worker, the express worker and beat, as `plumbline up` does.

        Each start has a clock of its own, as if it were on another machine.
        """
        express = f"--queues={SCORE_QUEUE},{UPKEEP_QUEUE}"
        commands = {
            "worker": ["worker", "--concurrency=2", "--hostname=main@chaos"],
            "express": ["worker", "--concurrency=1", "--hostname=express@chaos", express],
            "beat": ["beat", "--pidfile="],
        }
        for name, command in commands.items():
            self.processes[name] = SupervisedProcess(
                name, command, self.folder, self._skewed_environments()
            )

    def _skewed_environments(self) -> Iterator[Mapping[str, str]]:
        while True:
            clock = SkewedClock(self._random.uniform(-MAX_SKEW_S, MAX_SKEW_S))
            yield self.environment | clock.environment()

    def supervise(self) -> None:
        """Start again what is down. Call it often."""
        for server in (self.postgres, self.redis):
            server.supervise()
        for process in self.processes.values():
            process.supervise()

    def kill(self, kill: Kill, random: Random) -> bool:
        """Kill one random process of the target; return False if none is running."""
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

    def disturb(self, disturbance: Disturbance) -> bool:
        """Begin a disturbance; return False if its server is down or disturbed already."""
        in_redis = disturbance.trouble.target is Target.REDIS
        return (self.redis if in_redis else self.postgres).disturb(disturbance)

    def _pids(self, target: Target) -> list[int]:
        workers = [process for name, process in self.processes.items() if name != "beat"]
        if target is Target.BACKEND:
            return self._backends()
        if target is Target.CHILD:
            return sorted(pid for process in workers for pid in process.children())
        if target is Target.BEAT:
            return [self.processes["beat"].pid]
        # A worker without children has only just been started again.
        return [process.pid for process in workers if process.children()]

    def _backends(self) -> list[int]:
        """Return the backends of Plumbline. If one dies, PostgreSQL restarts all backends."""
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
            process.drain(DRAIN_TIMEOUT_S)
        self.redis.close()
        self.postgres.close()


@contextmanager
def start_fleet(folder: Path, settings: Mapping[str, object], seed: int) -> Iterator[Fleet]:
    """Start both servers; stop everything at the end."""
    fleet = Fleet(folder, settings, seed)
    try:
        yield fleet
    finally:
        fleet.close()
