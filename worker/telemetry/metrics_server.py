"""The HTTP server of /metrics: a client that reads or writes slowly takes nothing from the worker.

Prometheus's own server gives every connection a thread for as long as the client likes.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from threading import BoundedSemaphore, Thread, Timer
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer

REQUEST_LIMIT_S = 15.0
# At once. Another connection is closed.
MAX_REQUESTS = 16


class MetricsServer(ThreadingWSGIServer):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._slots = BoundedSemaphore(MAX_REQUESTS)
        super().__init__(*arguments, **options)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._slots.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        timer = Timer(REQUEST_LIMIT_S, _end, [request])
        timer.daemon = True
        timer.start()
        try:
            super().process_request_thread(request, client_address)
        finally:
            timer.cancel()
            self._slots.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log nothing: the client is gone, and the next scrape works."""


class _SilentHandler(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


def serve_metrics(host: str, port: int, registry: CollectorRegistry) -> MetricsServer:
    """Serve in a thread. Raises OSError if the address cannot be used."""

    class Server(MetricsServer):
        address_family = socket.getaddrinfo(host, port, flags=socket.AI_PASSIVE)[0][0]

    server = make_server(host, port, make_wsgi_app(registry), Server, _SilentHandler)
    Thread(target=server.serve_forever, name="metrics-server", daemon=True).start()
    return server


def _end(request: socket.socket) -> None:
    with suppress(OSError):
        request.shutdown(socket.SHUT_RDWR)
