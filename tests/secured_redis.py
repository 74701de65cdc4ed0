"""A Redis on a socket, with passwords, and its encrypted address."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import redis
from redis.exceptions import RedisError

from plumbline.embedded import child_process
from plumbline.embedded.redis_program import find_program
from tests.paths import CHECKOUT
from tests.waiting import eventually

# Self-signed for localhost, with its key.
CERTIFICATE = CHECKOUT / "tests/fixtures/localhost.pem"
USER = "me"
PASSWORD = "p/w#1@x?:%41 &+=[];,é\"'\\"
ENCODED = quote(PASSWORD, safe="")
# Whole, encoded, and pieces that no other output contains.
SECRETS = (PASSWORD, ENCODED, "w#1@x", "w%231%40x")
CHUNK_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class SecuredRedis:
    """`address` is what follows the login of a `unix://` URL; `tls_address` of a `rediss://` one.

    The default user and the user `me` have the same password.
    """

    address: str
    tls_address: str


@contextmanager
def secured_redis(folder: Path) -> Iterator[SecuredRedis]:
    """Run a Redis that listens on a socket only, behind a proxy that ends TLS."""
    path = folder / "redis.sock"
    program = find_program().path
    command = [program, "--port", "0", "--unixsocket", path, "--save", "", "--dir", folder]
    process = child_process.start(command, log=folder / "redis.log", cwd=folder)
    try:
        with redis.Redis(unix_socket_path=str(path)) as connection:
            eventually(lambda: _responds(connection), 30.0, "Redis does not start")
            login = [f">{PASSWORD}", "~*", "&*", "+@all"]
            connection.execute_command("ACL", "SETUSER", USER, "on", *login)
            connection.config_set("requirepass", PASSWORD)
        with _tls_proxy(path) as port:
            yield SecuredRedis(quote(str(path)), f"localhost:{port}")
    finally:
        child_process.kill_group(process.pid)
        process.wait()


def _responds(connection: redis.Redis) -> bool:
    try:
        return bool(connection.ping())
    except RedisError:
        return False


@contextmanager
def _tls_proxy(path: Path) -> Iterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    with ExitStack() as opened:
        listener = opened.enter_context(socket.create_server(("127.0.0.1", 0)))
        # Closing a socket does not end an accept() that waits for it.
        opened.callback(listener.shutdown, socket.SHUT_RDWR)
        accept = threading.Thread(target=_accept, args=(listener, context, path), daemon=True)
        accept.start()
        yield listener.getsockname()[1]


def _accept(listener: socket.socket, context: ssl.SSLContext, path: Path) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_serve, args=(client, context, path), daemon=True).start()


def _serve(raw: socket.socket, context: ssl.SSLContext, path: Path) -> None:
    try:
        client = context.wrap_socket(raw, server_side=True)
    except OSError:
        # The client does not trust the certificate, or does not encrypt.
        raw.close()
        return
    with client, socket.socket(socket.AF_UNIX) as server:
        server.connect(str(path))
        back = threading.Thread(target=_copy, args=(server, client), daemon=True)
        back.start()
        _copy(client, server)
        back.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    """Forward data until either end closes, then end the other direction, too."""
    try:
        while data := source.recv(CHUNK_BYTES):
            target.sendall(data)
    except OSError:
        pass
    for end in (source, target):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            continue
