"""Servers that accept connections and do not do their part: silent, slow, or not even accepting."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

DRIP_EVERY_S = 0.2


@contextmanager
def silent_peer(answer: bytes = b"", drip: bytes = b"") -> Iterator[int]:
    """Accept connections, send `answer`, then `drip` again and again; yield the port."""
    stopping = threading.Event()
    connections: list[socket.socket] = []

    def talk(connection: socket.socket) -> None:
        with suppress(OSError):
            connection.sendall(answer)
            while drip and not stopping.wait(DRIP_EVERY_S):
                connection.sendall(drip)

    def accept(listener: socket.socket) -> None:
        while not stopping.is_set():
            try:
                connection = listener.accept()[0]
            except OSError:
                return
            connections.append(connection)
            threading.Thread(target=talk, args=[connection], daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        acceptor = threading.Thread(target=accept, args=[listener], daemon=True)
        acceptor.start()
        try:
            yield listener.getsockname()[1]
        finally:
            stopping.set()
            listener.shutdown(socket.SHUT_RDWR)
            for connection in connections:
                connection.close()
            acceptor.join()


@contextmanager
def black_hole() -> Iterator[int]:
    """Yield a port to which no connection is completed, as if a firewall dropped the packets."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port: int = listener.getsockname()[1]
        # The kernel completes one connection that nobody accepts, and ignores the others.
        for _ in range(2):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        yield port
