"""Connections to Redis on which a reply, and not only each piece of it, has a time limit.

redis-py limits each read, so a reply that arrives byte by byte has no end; and nothing limits the
resolver, nor the sum of the attempts at a host with several addresses.
"""

from __future__ import annotations

from time import monotonic
from typing import Any, Protocol

import redis

from plumbline_client.deadline import call_within, remaining_s


class Socket(Protocol):
    """What this module uses of a socket."""

    def close(self) -> None: ...
    def settimeout(self, value: float | None) -> None: ...
    def sendall(self, data: Any) -> None: ...
    def recv(self, *arguments: int) -> bytes: ...
    def recv_into(self, *arguments: Any) -> int: ...


class BoundedSocket:
    """A socket on which a reply is complete within `limit_s` of the last command, or fails.

    An earlier end of the current time limit counts, too. Raises TimeoutError.
    """

    def __init__(self, socket: Socket, limit_s: float) -> None:
        self._socket = socket
        self._limit_s = limit_s
        self._timeout_s: float | None = limit_s
        self._ends_at = monotonic() + limit_s

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)

    def settimeout(self, value: float | None) -> None:
        self._timeout_s = value
        self._socket.settimeout(value)

    def sendall(self, data: Any) -> None:
        self._ends_at = monotonic() + self._limit_s
        self._limit()
        self._socket.sendall(data)

    def recv(self, *arguments: int) -> bytes:
        self._limit()
        return self._socket.recv(*arguments)

    def recv_into(self, *arguments: Any) -> int:
        self._limit()
        return self._socket.recv_into(*arguments)

    def _limit(self) -> None:
        # A timeout of 0 asks whether there is data, and does not wait.
        if self._timeout_s == 0:
            return
        left_s = remaining_s(self._ends_at - monotonic())
        if left_s <= 0:
            raise TimeoutError("timed out")
        self._socket.settimeout(min(left_s, self._timeout_s or left_s))


# For a library that sets none.
DEFAULT_CONNECT_S = 5.0


class _ConnectsWithin:
    """Limits the whole connection: the resolver, every address, and TLS."""

    def _connect(self) -> Any:
        options: Any = self
        unbounded: Any = super()
        timeout_s = options.socket_connect_timeout
        limit_s = remaining_s(DEFAULT_CONNECT_S if timeout_s is None else float(timeout_s))
        return call_within(limit_s, unbounded._connect, _close)


class TcpConnection(_ConnectsWithin, redis.Connection):
    """For a library that waits for pushed messages, between which any time may pass."""


class TlsConnection(_ConnectsWithin, redis.SSLConnection):
    """See `TcpConnection`."""


class _Bounded(_ConnectsWithin):
    """Limits each reply, too."""

    def _connect(self) -> BoundedSocket:
        options: Any = self
        return BoundedSocket(super()._connect(), float(options.socket_timeout))


class _TcpConnection(_Bounded, redis.Connection):
    pass


class _TlsConnection(_Bounded, redis.SSLConnection):
    pass


class _UnixConnection(_Bounded, redis.UnixDomainSocketConnection):
    pass


BOUNDED: dict[type, type] = {
    redis.Connection: _TcpConnection,
    redis.SSLConnection: _TlsConnection,
    redis.UnixDomainSocketConnection: _UnixConnection,
}


def bound_replies(client: redis.Redis) -> redis.Redis:
    """Make the client's future connections bounded ones; it needs both socket timeouts."""
    pool = client.connection_pool
    pool.connection_class = BOUNDED[pool.connection_class]
    return client


def _close(socket: Socket) -> None:
    socket.close()
