"""Wake-ups: replies of Redis to a worker that waits for messages.

One connection per queue waits in BLMOVE, which moves the queue's first message to where it is. It
takes nothing, so a reply that is lost or ignored costs no message; the worker that reads it takes
what is there. Redis has no command that waits for several lists without taking from them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any, Protocol

import redis

log = logging.getLogger(__name__)
# Redis replies at the latest after so long.
WAIT_S = 20.0
# A reply that is later than this does not come: the connection is dead.
GRACE_S = 10.0


class Watcher(Protocol):
    """What calls `Wakeups.read` when a socket is readable."""

    def watch(self, descriptor: int, wakeups: Wakeups) -> None: ...

    def unwatch(self, descriptor: int) -> None: ...


@dataclass(slots=True)
class _Wait:
    connection: Any
    descriptor: int
    sent_at: float | None


class Wakeups:
    """The waiting connections of a channel. No method raises an error of Redis.

    Without them, messages are found by polling, as they are while Redis refuses BLMOVE.
    """

    def __init__(self, connect: Callable[[], Any], watcher: Watcher, wake: Callable[[], None]):
        self._connect = connect
        self._watcher = watcher
        self._wake = wake
        self._waits: dict[str, _Wait] = {}

    def arm(self, keys: Sequence[str]) -> None:
        """Wait for a message in each of these lists, and no longer in others."""
        for key in [key for key in self._waits if key not in keys]:
            self._close(key)
        for key in keys:
            try:
                self._arm(key)
            except (redis.RedisError, OSError) as error:
                log.debug("%s is polled: %s", key, error)
                self._close(key)

    def read(self, descriptor: int) -> None:
        """Read the reply on this socket and wake the worker, whatever the reply is."""
        key, wait = next(
            (key, wait) for key, wait in self._waits.items() if wait.descriptor == descriptor
        )
        try:
            # An unexpected event is the end of the connection.
            reply = wait.connection.read_response()
            wait.sent_at = None
        except (redis.RedisError, OSError) as error:
            log.debug("%s is polled: %s", key, error)
            self._close(key)
            return
        if reply is not None:
            self._wake()

    def close(self) -> None:
        for key in list(self._waits):
            self._close(key)

    def forget(self) -> None:
        """After a fork, close the copies of the sockets; the event loop is the parent's."""
        for wait in self._waits.values():
            wait.connection.disconnect()
        self._waits.clear()

    def _arm(self, key: str) -> None:
        wait = self._waits.get(key)
        if wait is not None and wait.sent_at is not None:
            if monotonic() - wait.sent_at < WAIT_S + GRACE_S:
                return
            log.warning("no reply from Redis for %.0f s; reconnecting", WAIT_S + GRACE_S)
            self._close(key)
            wait = None
        if wait is None:
            connection = self._connect()
            connection.connect()
            wait = self._waits[key] = _Wait(connection, connection._sock.fileno(), None)
            self._watcher.watch(wait.descriptor, self)
        wait.connection.send_command("BLMOVE", key, key, "RIGHT", "RIGHT", WAIT_S)
        wait.sent_at = monotonic()

    def _close(self, key: str) -> None:
        wait = self._waits.pop(key, None)
        if wait is not None:
            self._watcher.unwatch(wait.descriptor)
            wait.connection.disconnect()
