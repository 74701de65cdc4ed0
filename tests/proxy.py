"""A way to a server on which connections can fall silent: they stay open, and nothing passes.

As when a machine vanishes from the network without a word, and another takes over its address.
"""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

CHUNK = 65_536
LOOK_EVERY_S = 0.05


class Proxy:
    """`url` is the server's, through here. One thread passes everything on."""

    def __init__(self, url: str) -> None:
        server = urlsplit(url)
        assert server.hostname and server.port
        self._server = (server.hostname, server.port)
        self._door = socket.create_server(("127.0.0.1", 0))
        self._ways = selectors.DefaultSelector()
        self._ways.register(self._door, selectors.EVENT_READ)
        self._silent: list[socket.socket] = []
        self._silence, self._stop = threading.Event(), threading.Event()
        port = self._door.getsockname()[1]
        self.url = url.replace(f":{server.port}", f":{port}")

    def silence(self) -> None:
        """The connections there are pass nothing from now on; new ones pass everything."""
        self._silence.set()
        while self._silence.is_set():
            self._stop.wait(LOOK_EVERY_S)

    def stop(self) -> None:
        self._stop.set()

    def run(self) -> None:
        while not self._stop.is_set():
            for key, _ in self._ways.select(LOOK_EVERY_S):
                if key.fileobj is self._door:
                    self._join(self._door.accept()[0])
                else:
                    self._pass(key)
            if self._silence.is_set():
                self._silent += [self._leave(end) for end in self._ends()]
                self._silence.clear()
        for end in [*self._ends(), *self._silent, self._door]:
            end.close()
        self._ways.close()

    def _ends(self) -> list[socket.socket]:
        found = [key.fileobj for key in self._ways.get_map().values()]
        return [end for end in found if isinstance(end, socket.socket) and end is not self._door]

    def _join(self, near: socket.socket) -> None:
        far = socket.create_connection(self._server)
        self._ways.register(near, selectors.EVENT_READ, far)
        self._ways.register(far, selectors.EVENT_READ, near)

    def _leave(self, end: socket.socket) -> socket.socket:
        self._ways.unregister(end)
        return end

    def _pass(self, key: selectors.SelectorKey) -> None:
        """What one end said to the other; where either is gone, so are both."""
        near, far = key.fileobj, key.data
        assert isinstance(near, socket.socket)
        if near not in self._ends():
            return
        try:
            said = near.recv(CHUNK)
            far.sendall(said)
        except OSError:
            said = b""
        if not said:
            self._leave(near).close()
            self._leave(far).close()


@contextmanager
def proxy(url: str) -> Iterator[Proxy]:
    """A proxy to the server of this URL, which must name its port."""
    found = Proxy(url)
    thread = threading.Thread(target=found.run, name="proxy", daemon=True)
    thread.start()
    try:
        yield found
    finally:
        found.stop()
        thread.join()
