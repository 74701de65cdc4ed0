"""HTTP connections that another thread can end, whatever they wait for.

`urllib` limits each read. A receiver that sends one byte per second is never late for it.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from functools import partial
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from threading import Lock
from typing import Any
from urllib.request import HTTPHandler, HTTPSHandler, Request


class Sockets:
    """The sockets of one exchange. Once it is closed, it closes those that follow at once."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._open: list[socket.socket] = []
        self._closed = False

    def create(self, *arguments: Any, **options: Any) -> socket.socket:
        created = socket.create_connection(*arguments, **options)
        with self._lock:
            # TLS takes the socket away and wraps it. A duplicate ends the same connection.
            self._open.append(created.dup())
        if self._closed:
            self.close()
        return created

    def close(self) -> None:
        with self._lock:
            self._closed = True
            ended, self._open = self._open, []
        for each in ended:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


class BoundedHttp(HTTPHandler):
    def __init__(self, sockets: Sockets) -> None:
        super().__init__()
        self._sockets = sockets

    def http_open(self, request: Request) -> HTTPResponse:
        return self.do_open(partial(_connection, HTTPConnection, self._sockets), request)


class BoundedHttps(HTTPSHandler):
    def __init__(self, sockets: Sockets) -> None:
        super().__init__()
        self._sockets = sockets

    def https_open(self, request: Request) -> HTTPResponse:
        return self.do_open(partial(_connection, HTTPSConnection, self._sockets), request)


def _connection(
    kind: type[HTTPConnection], sockets: Sockets, host: str, **options: Any
) -> HTTPConnection:
    connection = kind(host, **options)
    # What it connects with is an attribute since Python 3.2, for the tests of Python itself.
    connection._create_connection = sockets.create  # type: ignore[attr-defined]
    return connection
