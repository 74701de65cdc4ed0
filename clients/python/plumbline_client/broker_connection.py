"""Connections to Redis on which a reply, and not only each piece of it, has a time limit.

redis-py limits each read, so a reply that arrives byte by byte has no end; and nothing limits the
resolver, nor the sum of the attempts at a host with several addresses.
"""

from __future__ import annotations

from typing import Any

import redis

from plumbline_client.bounded_socket import BoundedSocket, Socket
from plumbline_client.deadline import call_within, remaining_s

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
