"""A connection to Redis for the questions of a probe: hiredis on a socket.

A probe starts every few seconds, and importing redis-py takes many times as long as its questions.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import hiredis

from plumbline.heartbeat import REDIS_TIMEOUT_S, Reader
from plumbline_client.bounded_socket import BoundedSocket
from plumbline_client.broker_answers import refusal, unreachable
from plumbline_client.broker_url import BrokerUrl
from plumbline_client.broker_url_parser import parse_broker_url
from plumbline_client.deadline import call_within, remaining_s
from plumbline_client.visible import one_line

CHUNK_BYTES = 65_536


class RedisProbe:
    """Sends one command at a time. Raises hiredis.HiredisError and OSError."""

    def __init__(self, connection: BoundedSocket) -> None:
        self._connection = connection
        self._reader = hiredis.Reader()

    def log_in(self, server: BrokerUrl) -> None:
        if server.user:
            self._ask("AUTH", server.user, server.password or "")
        elif server.password:
            self._ask("AUTH", server.password)
        if server.database:
            self._ask("SELECT", server.database)

    def time(self) -> tuple[int, int]:
        seconds, microseconds = self._ask("TIME")
        return int(seconds), int(microseconds)

    def zrevrangebyscore(self, name: str, max: float, min: float, start: int, num: int, /) -> Any:
        return self._ask("ZREVRANGEBYSCORE", name, max, min, "LIMIT", start, num)

    def hmget(self, name: str, keys: list[bytes], /) -> Any:
        return self._ask("HMGET", name, *keys)

    def _ask(self, *command: str | bytes | float) -> Any:
        # Its types allow a single argument.
        self._connection.sendall(hiredis.pack_command(command))  # type: ignore[arg-type]
        while (reply := self._reader.gets()) is False:
            if not (data := self._connection.recv(CHUNK_BYTES)):
                raise ConnectionError("the connection was closed")
            self._reader.feed(data)
        if isinstance(reply, hiredis.ReplyError):
            raise reply
        return reply


@contextmanager
def open_probe(url: str) -> Iterator[Reader]:
    """Yield a connection for the block. Raises BrokerUnavailable for every error of Redis in it."""
    server = parse_broker_url(url)
    if server.tls is not None:
        # The options of TLS are redis-py's own.
        from plumbline_client.broker import connect_redis, translate_redis_errors

        with translate_redis_errors(url), connect_redis(url, REDIS_TIMEOUT_S) as encrypted:
            yield encrypted
        return
    limit_s = remaining_s(REDIS_TIMEOUT_S)
    try:
        # In a thread, because the resolver knows no time limit.
        plain: Any = call_within(limit_s, lambda: _connect(server, limit_s), socket.socket.close)
        with closing(BoundedSocket(plain, REDIS_TIMEOUT_S)) as bounded:
            probe = RedisProbe(bounded)
            probe.log_in(server)
            yield probe
    except hiredis.ReplyError as error:
        raise refusal(url, one_line(str(error)).removeprefix("ERR ")) from error
    except (OSError, hiredis.HiredisError) as error:
        reason = getattr(error, "strerror", None) or str(error) or "no reason given"
        raise unreachable(url, one_line(reason)) from error


def _connect(server: BrokerUrl, limit_s: float) -> socket.socket:
    if server.socket is None:
        return socket.create_connection((server.host, server.port), limit_s)
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(limit_s)
        connection.connect(server.socket)
    except BaseException:
        connection.close()
        raise
    return connection
