"""A socket on which a whole reply, and not only each piece of it, has a time limit."""

from __future__ import annotations

from time import monotonic
from typing import Any, Protocol

from plumbline_client.deadline import remaining_s


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
