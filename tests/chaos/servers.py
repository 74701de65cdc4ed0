"""Servers that are killed and disturbed, and keep their URLs and their data."""

from __future__ import annotations

import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack, suppress
from pathlib import Path
from typing import Any, ClassVar

import psutil
import psycopg
import redis

from plumbline.embedded.child_process import LOCALHOST, Server
from plumbline.embedded.postgres import postgres_server
from plumbline.embedded.redis import RedisServer, redis_server
from tests.chaos.plan import Disturbance, Trouble
from tests.servers import TESTER

PORT_ATTEMPTS = 20
# The advisory locks of earlier releases, which any login can take.
FORMER_LOCKS = (0x6D696772, 0x6465706C6F79, 0x706C756D62, 0x616C6572, 0x7175616C)
CHANNEL = "plumbline_jobs"
NOTIFICATIONS = 1_000


class KillableServer(ABC):
    """A server that keeps its URL and its folder when its process is replaced.

    A restart ends a disturbance.
    """

    def __init__(self, open_server: Callable[[], AbstractContextManager[Server]]) -> None:
        self._open_server = open_server
        self._opened = ExitStack()
        self._restart_at: float | None = None
        self._disturbance: Disturbance | None = None
        self._disturbed_until = 0.0
        self.server = self._start()
        self.url = self.server.url

    @property
    def is_up(self) -> bool:
        return self._restart_at is None

    def kill(self, down_s: float) -> None:
        self._end_disturbance()
        self.server.process.kill()
        self.server.process.wait()
        self._opened.close()
        self._restart_at = time.monotonic() + down_s

    def disturb(self, disturbance: Disturbance) -> bool:
        """Begin a disturbance; return False if the server is down or disturbed already."""
        if not self.is_up or self._disturbance is not None:
            return False
        self._begin(disturbance.trouble)
        self._disturbance = disturbance
        self._disturbed_until = time.monotonic() + disturbance.duration_s
        return True

    def supervise(self) -> None:
        if self._disturbance is not None and time.monotonic() >= self._disturbed_until:
            self._end_disturbance()
        if self._restart_at is not None and time.monotonic() >= self._restart_at:
            self._restart()

    def close(self) -> None:
        self._end_disturbance()
        self._opened.close()

    @abstractmethod
    def _begin(self, trouble: Trouble) -> None: ...

    @abstractmethod
    def _end(self, trouble: Trouble) -> None: ...

    def _end_disturbance(self) -> None:
        if self._disturbance is not None:
            self._end(self._disturbance.trouble)
            self._disturbance = None

    def _restart(self) -> None:
        for _ in range(PORT_ATTEMPTS):
            self.server = self._start()
            if self.server.url == self.url:
                self._restart_at = None
                return
            # An outgoing connection of another process occupies the port for a moment.
            self._opened.close()
        raise AssertionError(f"{self.server.name} did not get its port again")

    def _start(self) -> Server:
        self._opened = ExitStack()
        return self._opened.enter_context(self._open_server())


class DisturbedRedis(KillableServer):
    """A Redis that can answer writes with an error for a while."""

    START: ClassVar[Mapping[Trouble, str]] = {
        # As after a failover: a replica, whose master does not exist.
        Trouble.READONLY: f"REPLICAOF {LOCALHOST} 1",
        Trouble.OOM: "CONFIG SET maxmemory 1",
    }
    END: ClassVar[Mapping[Trouble, str]] = {
        Trouble.READONLY: "REPLICAOF NO ONE",
        Trouble.OOM: "CONFIG SET maxmemory 0",
    }

    def __init__(self, folder: Path) -> None:
        super().__init__(lambda: redis_server(folder, [TESTER]))

    @property
    def tester_url(self) -> str:
        """The URL of a user who may do everything; that of `url` is the worker's."""
        assert isinstance(self.server, RedisServer)
        return self.server.urls[TESTER.name]

    def _begin(self, trouble: Trouble) -> None:
        self._execute(self.START[trouble])

    def _end(self, trouble: Trouble) -> None:
        self._execute(self.END[trouble])

    def _execute(self, command: str) -> None:
        with redis.Redis.from_url(self.tester_url) as client:
            client.execute_command(*command.split())


class DisturbedPostgres(KillableServer):
    """A PostgreSQL that can be silent for a while, or be visited by a stranger."""

    def __init__(self, folder: Path) -> None:
        self._stranger: psycopg.Connection[Any] | None = None
        super().__init__(lambda: postgres_server(folder))

    def _begin(self, trouble: Trouble) -> None:
        if trouble is Trouble.SILENT:
            self._signal_all(signal.SIGSTOP)
        else:
            self._let_a_stranger_in()

    def _end(self, trouble: Trouble) -> None:
        if trouble is Trouble.SILENT:
            self._signal_all(signal.SIGCONT)
        elif self._stranger is not None:
            self._stranger.close()
            self._stranger = None

    def _signal_all(self, number: signal.Signals) -> None:
        """Stop or continue the server and its backends; the kernel keeps their connections."""
        server = psutil.Process(self.server.process.pid)
        for process in [server, *server.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)

    def _let_a_stranger_in(self) -> None:
        """Lock what any login can lock, and flood the channel of the relay."""
        with suppress(psycopg.OperationalError):
            self._stranger = psycopg.connect(self.url, autocommit=True, connect_timeout=5)
            for key in FORMER_LOCKS:
                self._stranger.execute("SELECT pg_try_advisory_lock(%s)", [key])
            self._stranger.execute(
                "SELECT pg_notify(%s, number::text) FROM generate_series(1, %s) AS number",
                [CHANNEL, NOTIFICATIONS],
            )
