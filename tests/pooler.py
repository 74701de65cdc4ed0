"""Connection poolers that give each transaction another session, as PgBouncer does in that mode.

`transaction_pooler` imitates PgBouncer's rules, so that the tests need no program that pip cannot
install; `pgbouncer` runs the real one.
"""

from __future__ import annotations

import os
import pwd
import selectors
import shutil
import signal
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import Queue
from typing import Any
from urllib.parse import urlsplit

import psycopg
from psycopg.conninfo import conninfo_to_dict

from plumbline.embedded import child_process
from tests.waiting import eventually

CHUNK_BYTES = 65_536
PROTOCOL_3 = 196_608
ENCRYPTION_REQUESTS = (80_877_103, 80_877_104)
# What PgBouncer keeps for each client and sets again in each session.
TRACKED = (
    "client_encoding",
    "DateStyle",
    "TimeZone",
    "standard_conforming_strings",
    "application_name",
)
REPORTED = (*TRACKED, "server_version", "server_encoding", "integer_datetimes")
# Messages to which the server answers with ReadyForQuery.
ENDS_A_TURN = b"QSF"


@dataclass
class Backend:
    """A session of PostgreSQL. `login` made it and keeps it open."""

    login: psycopg.Connection[Any]
    channel: socket.socket
    settings: dict[str, str]


@dataclass
class Client:
    channel: socket.socket
    settings: dict[str, str]
    backend: Backend | None = None
    # Turns whose answer is not complete.
    turns: int = 0
    unread: dict[str, bytes] = field(default_factory=lambda: {"client": b"", "server": b""})


class TransactionPooler:
    def __init__(self, database_url: str, sessions: int) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._idle: Queue[Backend] = Queue()
        self._backends = [_log_in(database_url) for _ in range(sessions)]
        for backend in self._backends:
            self._idle.put(backend)
        self._clients: list[socket.socket] = []
        parts = urlsplit(database_url)
        port = self._listener.getsockname()[1]
        self.url = f"postgresql://{parts.username}:{parts.password}@127.0.0.1:{port}{parts.path}"

    def run(self) -> None:
        while True:
            try:
                channel, _ = self._listener.accept()
            except OSError:
                return
            self._clients.append(channel)
            threading.Thread(target=self._serve, args=(channel,), daemon=True).start()

    def stop(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for channel in self._clients:
            with suppress(OSError):
                channel.shutdown(socket.SHUT_RDWR)
        for backend in self._backends:
            backend.login.close()
            backend.channel.close()

    def _serve(self, channel: socket.socket) -> None:
        with channel, suppress(OSError, EOFError):
            client = self._greet(channel)
            if client is None:
                return
            try:
                self._forward(client)
            finally:
                if client.backend is not None:
                    _reset(client.backend)
                    self._idle.put(client.backend)

    def _greet(self, channel: socket.socket) -> Client | None:
        (length,) = struct.unpack("!i", _read(channel, 4))
        body = _read(channel, length - 4)
        (code,) = struct.unpack("!i", body[:4])
        if code in ENCRYPTION_REQUESTS:
            channel.sendall(b"N")
            return self._greet(channel)
        if code != PROTOCOL_3:
            return None
        words = body[4:].rstrip(b"\0").decode().split("\0")
        options = dict(zip(words[::2], words[1::2], strict=True))
        known = {name.lower(): name for name in TRACKED}
        for name in options:
            if name not in ("user", "database") and name.lower() not in known:
                channel.sendall(_fatal("08P01", f"unsupported startup parameter: {name}"))
                return None
        settings = dict(self._backends[0].settings)
        settings |= {
            known[name.lower()]: options[name] for name in options if name.lower() in known
        }
        channel.sendall(_message(b"R", struct.pack("!i", 0)))
        for name, value in settings.items():
            channel.sendall(_message(b"S", f"{name}\0{value}\0".encode()))
        # Not the process id of any session.
        channel.sendall(_message(b"K", struct.pack("!ii", 1, 1)) + _message(b"Z", b"I"))
        return Client(channel, settings)

    def _forward(self, client: Client) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(client.channel, selectors.EVENT_READ, "client")
            while True:
                for key, _ in selector.select():
                    data = key.fileobj.recv(CHUNK_BYTES)  # type: ignore[union-attr]
                    if not data:
                        return
                    unread = client.unread[key.data] + data
                    if key.data == "client":
                        client.unread[key.data] = self._to_server(client, unread, selector)
                    else:
                        client.unread[key.data] = self._to_client(client, unread, selector)

    def _to_server(self, client: Client, data: bytes, selector: selectors.BaseSelector) -> bytes:
        for message in (messages := _split(data))[0]:
            if message[:1] == b"X":
                raise EOFError
            if client.backend is None:
                client.backend = self._idle.get()
                _restore(client.backend, client.settings)
                selector.register(client.backend.channel, selectors.EVENT_READ, "server")
            client.turns += message[:1] in ENDS_A_TURN
            client.backend.channel.sendall(message)
        return messages[1]

    def _to_client(self, client: Client, data: bytes, selector: selectors.BaseSelector) -> bytes:
        assert client.backend is not None
        complete, rest = _split(data)
        for message in complete:
            client.channel.sendall(message)
            _track(message, client.settings, client.backend.settings)
            client.turns -= message[:1] == b"Z"
            if message[:1] == b"Z" and message[5:] == b"I" and client.turns == 0:
                selector.unregister(client.backend.channel)
                self._idle.put(client.backend)
                client.backend = None
        return rest


def _log_in(database_url: str) -> Backend:
    login = psycopg.connect(database_url, autocommit=True)
    channel = socket.socket(fileno=os.dup(login.fileno()))
    channel.setblocking(True)
    values = {name: login.pgconn.parameter_status(name.encode()) for name in REPORTED}
    settings = {name: value.decode() for name, value in values.items() if value is not None}
    return Backend(login, channel, settings)


def _reset(backend: Backend) -> None:
    """End the transaction that a client left open."""
    _run(backend, "ROLLBACK")


def _restore(backend: Backend, settings: dict[str, str]) -> None:
    for name in TRACKED:
        if settings[name] != backend.settings[name]:
            _run(backend, f"SET {name} TO '{settings[name]}'")
            backend.settings[name] = settings[name]


def _run(backend: Backend, statement: str) -> None:
    backend.channel.sendall(_message(b"Q", statement.encode() + b"\0"))
    rest = b""
    while True:
        complete, rest = _split(rest + backend.channel.recv(CHUNK_BYTES))
        if any(message[:1] == b"Z" for message in complete):
            return


def _track(message: bytes, *settings: dict[str, str]) -> None:
    if message[:1] == b"S":
        name, value = message[5:].rstrip(b"\0").decode().split("\0")
        for each in settings:
            each[name] = value


def _split(data: bytes) -> tuple[list[bytes], bytes]:
    """Split into complete messages and a rest."""
    complete = []
    while len(data) >= 5 and len(data) > (end := struct.unpack("!i", data[1:5])[0]):
        complete.append(data[: end + 1])
        data = data[end + 1 :]
    return complete, data


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


def _fatal(state: str, words: str) -> bytes:
    return _message(b"E", f"SFATAL\0VFATAL\0C{state}\0M{words}\0\0".encode())


def _read(channel: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = channel.recv(size - len(data))
        if not more:
            raise EOFError
        data += more
    return data


@contextmanager
def transaction_pooler(database_url: str, sessions: int = 3) -> Iterator[str]:
    """Run the imitation for one database and yield its URL."""
    pooler = TransactionPooler(database_url, sessions)
    threading.Thread(target=pooler.run, name="pooler", daemon=True).start()
    try:
        yield pooler.url
    finally:
        pooler.stop()


def find_pgbouncer() -> str | None:
    return shutil.which("pgbouncer", path=os.environ.get("PATH", "") + ":/usr/sbin")


@contextmanager
def pgbouncer(database_url: str, folder: Path, sessions: int = 3) -> Iterator[str]:
    """Run PgBouncer in transaction mode for one database and yield its URL."""
    program = find_pgbouncer()
    assert program is not None, "the caller skips its test without PgBouncer"
    server = {name: str(value) for name, value in conninfo_to_dict(database_url).items() if value}
    port = child_process.free_port(None)
    keys = ("host", "port", "dbname", "user", "password")
    target = " ".join(f"{key}={server[key]}" for key in keys)
    configuration = folder / "pgbouncer.ini"
    configuration.write_text(
        f"[databases]\n{server['dbname']} = {target}\n"
        "[pgbouncer]\npool_mode = transaction\nauth_type = any\nlisten_addr = 127.0.0.1\n"
        f"listen_port = {port}\nunix_socket_dir =\ndefault_pool_size = {sessions}\n",
        encoding="utf-8",
    )
    command: list[str | Path] = [program, configuration]
    if os.geteuid() == 0:
        # It refuses to run as root.
        command[1:1] = ["-u", pwd.getpwnam("nobody").pw_name]
    process = child_process.start(command, log=folder / "pgbouncer.log")
    url = f"postgresql://{server['user']}:{server['password']}@127.0.0.1:{port}/{server['dbname']}"
    try:
        eventually(lambda: _accepts(url))
        yield url
    finally:
        child_process.stop(process, signal.SIGINT, 10.0)


def _accepts(url: str) -> bool:
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError:
        return False
    return True
