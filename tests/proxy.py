"""A TCP proxy whose connections can fall silent, and behind which a Redis can refuse commands.

A silent connection stays open, and no data passes: this is what happens when a machine vanishes
from the network and another takes over its address.
"""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from tests.resp import commands_in, encoded

Refusal = Callable[[list[bytes]], str | None]

CHUNK_BYTES = 65_536
POLL_S = 0.05
RAISE = b"return redis.error_reply(ARGV[1])"


class Proxy:
    """`url` is the server's URL through this proxy. One thread forwards all data."""

    def __init__(self, url: str) -> None:
        server = urlsplit(url)
        assert server.hostname and server.port
        self._server = (server.hostname, server.port)
        self._speaks_resp = server.scheme == "redis"
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._silenced: list[socket.socket] = []
        self._silence, self._stop = threading.Event(), threading.Event()
        self._refusal: Refusal | None = None
        self._received: dict[socket.socket, bytearray] = {}
        port = self._listener.getsockname()[1]
        self.url = url.replace(f":{server.port}", f":{port}")

    def silence(self) -> None:
        """Forward nothing more on the existing connections; new connections work."""
        self._silence.set()
        while self._silence.is_set():
            self._stop.wait(POLL_S)

    @contextmanager
    def refusing(self, refusal: Refusal) -> Iterator[None]:
        """Let Redis answer with the error that `refusal` returns for a command, if any."""
        self._refusal = refusal
        try:
            yield
        finally:
            self._refusal = None

    def stop(self) -> None:
        self._stop.set()

    def run(self) -> None:
        while not self._stop.is_set():
            for key, _ in self._selector.select(POLL_S):
                if key.fileobj is self._listener:
                    self._connect(self._listener.accept()[0])
                else:
                    self._forward(key)
            if self._silence.is_set():
                self._silenced += [self._unregister(end) for end in self._sockets()]
                self._silence.clear()
        for end in [*self._sockets(), *self._silenced, self._listener]:
            end.close()
        self._selector.close()

    def _sockets(self) -> list[socket.socket]:
        registered = [key.fileobj for key in self._selector.get_map().values()]
        return [
            end
            for end in registered
            if isinstance(end, socket.socket) and end is not self._listener
        ]

    def _connect(self, client: socket.socket) -> None:
        server = socket.create_connection(self._server)
        if self._speaks_resp:
            self._received[client] = bytearray()
        self._selector.register(client, selectors.EVENT_READ, server)
        self._selector.register(server, selectors.EVENT_READ, client)

    def _unregister(self, end: socket.socket) -> socket.socket:
        self._selector.unregister(end)
        return end

    def _forward(self, key: selectors.SelectorKey) -> None:
        """Forward data from one end to the other; when one end closes, close both."""
        source, target = key.fileobj, key.data
        assert isinstance(source, socket.socket)
        if source not in self._sockets():
            return
        try:
            data = source.recv(CHUNK_BYTES)
            target.sendall(self._filtered(source, data))
        except OSError:
            data = b""
        if not data:
            self._received.pop(source, None)
            self._received.pop(target, None)
            self._unregister(source).close()
            self._unregister(target).close()

    def _filtered(self, source: socket.socket, data: bytes) -> bytes:
        """Replace refused commands by one that Redis answers with the error, in the same place."""
        received = self._received.get(source)
        if received is None:
            return data
        received += data
        forwarded = bytearray()
        for raw, command in commands_in(received):
            error = self._refusal(command) if self._refusal is not None else None
            forwarded += raw if error is None else encoded(b"EVAL", RAISE, b"0", error.encode())
        return bytes(forwarded)


@contextmanager
def proxy(url: str) -> Iterator[Proxy]:
    """Run a proxy to the server of this URL, which must contain a port."""
    running = Proxy(url)
    thread = threading.Thread(target=running.run, name="proxy", daemon=True)
    thread.start()
    try:
        yield running
    finally:
        running.stop()
        thread.join()
