"""A pool of PostgreSQL connections, made on demand and replaced if the server closed them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from select import POLLIN, poll
from threading import Lock, Semaphore
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus

from plumbline_client.database_errors import READ_ONLY, storage_error
from plumbline_client.database_url import DatabaseUrl
from plumbline_client.deadline import remaining_s
from plumbline_client.errors import DatabaseRefused, DatabaseUnavailable
from plumbline_client.limits import DEFAULT, Limits
from plumbline_client.session import Connection, open_connection

__all__ = ["Connection", "Database", "is_closed_by_server"]

MAX_CONNECTIONS = 10
# How long a thread waits for another thread's connection.
POOL_TIMEOUT_S = 30.0


class Database:
    """A pool of at most `MAX_CONNECTIONS` connections in autocommit mode, shared by threads.

    Unlike `psycopg_pool`, it makes connections in the calling thread, so that a server that is away
    fails the call at once and with the server's own reason.
    """

    def __init__(self, url: str, limits: Limits = DEFAULT) -> None:
        self._url, self._limits = DatabaseUrl.parse(url), limits
        self._free = Semaphore(MAX_CONNECTIONS)
        self._lock = Lock()
        self._idle: list[Connection] = []

    @contextmanager
    def connection(self, limit_s: float | None = None) -> Iterator[Connection]:
        """Lend a connection to the block. Each statement commits by itself; rows are named tuples.

        A statement may take `limit_s`, by default the pool's limit, but never longer than the
        current time limit. Raises DatabaseUnavailable or DatabaseRefused for every error of
        PostgreSQL in the block.
        """
        wait_s = remaining_s(POOL_TIMEOUT_S)
        if not self._free.acquire(timeout=wait_s):
            raise DatabaseUnavailable(
                f"All {MAX_CONNECTIONS} connections to {self._url.server} were in use for "
                f"{wait_s:.3g} s; use fewer threads at once."
            )
        connection: Connection | None = None
        try:
            connection = self._idle_connection() or open_connection(self._url, limits=self._limits)
            connection.limit_call(limit_s)
            yield connection
        except psycopg.Error as error:
            raise self._translate(error, connection) from error
        finally:
            if connection is not None:
                self._give_back(connection)
            self._free.release()

    def close(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _idle_connection(self) -> Connection | None:
        while True:
            with self._lock:
                if not self._idle:
                    return None
                connection = self._idle.pop()
            if not is_closed_by_server(connection):
                return connection
            connection.close()

    def _give_back(self, connection: Connection) -> None:
        # An interrupted statement leaves the connection in another state than idle.
        if connection.closed or connection.info.transaction_status is not TransactionStatus.IDLE:
            connection.close()
            return
        with self._lock:
            self._idle.append(connection)

    def _translate(
        self, error: psycopg.Error, connection: Connection | None
    ) -> DatabaseUnavailable | DatabaseRefused:
        lost = connection is not None and connection.closed
        if connection is not None and error.sqlstate == READ_ONLY:
            # The next connection may reach the server that took over.
            connection.close()
        return storage_error(self._url, error, lost=lost)


def is_closed_by_server(connection: psycopg.Connection[Any]) -> bool:
    """Return whether the server closed an idle connection: only then is its socket readable.

    Asking the server would cost a round trip per call.
    """
    if connection.closed:
        return True
    idle = poll()
    idle.register(connection.fileno(), POLLIN)
    return bool(idle.poll(0))
