"""Redis or Valkey with an append-only file, on loopback only, for users with few rights."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from plumbline import redis_users
from plumbline.atomic_file import replacing
from plumbline.embedded import child_process
from plumbline.embedded.child_process import LOCALHOST, Server, describe_exit, free_port, quote_log
from plumbline.embedded.errors import EmbeddedFailed
from plumbline.embedded.lock import exclusive_lock
from plumbline.embedded.redis_program import NAMES, RedisProgram, find_program, reachable_program
from plumbline.embedded.server_user import ServerUser, server_user
from plumbline.redis_users import ADMIN, WORKER, RedisUser
from plumbline_client.visible import one_line

UNPRIVILEGED_USER = "embedded_redis"
SET_UP_WITHOUT = "or set PLUMBLINE_BROKER_URL"
START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 15.0
POLL_S = 0.02
LOG_LINES = 3
USERS = (redis_users.admin(), redis_users.worker(), redis_users.monitor(), redis_users.producer())
# With `appendfsync everysec`, its default, Redis answers before it writes while an fsync runs, so
# a killed Redis loses what it has answered. With `always`, a full disk ends Redis. With `no`, it
# writes before it answers; only a power cut can lose what the kernel has not written.
# Without the preamble, which is in a format of the version, every version reads the file.
CONFIG = """\
bind {host}
port {port}
dir ./
appendonly yes
appendfsync no
aof-use-rdb-preamble no
maxmemory-policy noeviction
save ""
user default off resetpass resetkeys resetchannels -@all
"""
# Redis 6.2 knows none of them; there, only the rights of the users protect the configuration.
PROTECTION = """\
enable-protected-configs no
enable-debug-command no
enable-module-command no
"""
# Written by earlier releases, which ran Redis in the folder itself and knew one password.
EARLIER_FILES = ("appendonly.aof", "appendonlydir", "password")


@dataclass(frozen=True, slots=True)
class RedisServer(Server):
    """`url` is that of the worker's user; `urls` are those of all users by their names."""

    urls: Mapping[str, str]
    warning: str | None


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths in the folder of a server. Only `data` belongs to the user that runs it."""

    folder: Path

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def config(self) -> Path:
        return self.folder / "redis.conf"

    @property
    def passwords(self) -> Path:
        return self.folder / "users.json"

    @property
    def port(self) -> Path:
        return self.folder / "port"

    @property
    def log(self) -> Path:
        return self.folder / "server.log"


@contextmanager
def redis_server(folder: Path, more_users: Sequence[RedisUser] = ()) -> Iterator[RedisServer]:
    """Run a Redis from `folder`, which is created on first use.

    Raises EmbeddedMissing, EmbeddedFailed, or FolderBusy if another process uses the folder.
    """
    program = find_program()
    folder = folder.resolve()
    # Messages may contain texts, which no other user may read.
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with exclusive_lock(folder / "lock", f"Another process runs the Redis in {folder}."):
        layout = Layout(folder)
        user = server_user(UNPRIVILEGED_USER, "Redis", SET_UP_WITHOUT)
        # This process holds the lock, so any server in the folder belongs to a killed run.
        for place in (layout.data, folder):
            child_process.stop_orphans(NAMES, place, signal.SIGTERM)
        _prepare_data(layout, user)
        process, urls = _start(program, layout, user, [*USERS, *more_users])
        try:
            yield RedisServer("Redis", urls[WORKER], process, layout.log, urls, program.warning)
        finally:
            child_process.stop(process, signal.SIGTERM, STOP_TIMEOUT_S)


def _prepare_data(layout: Layout, user: ServerUser | None) -> None:
    """Create the folder of the data, with what an earlier release left in the folder above."""
    if not layout.data.exists():
        layout.data.mkdir(mode=0o700)
        if user is not None:
            os.chown(layout.data, *user)
    owner = user.uid if user is not None else os.geteuid()
    if layout.data.stat().st_uid != owner:
        raise EmbeddedFailed(
            f"The Redis in {layout.folder} was started by another user: run as that user, or set "
            "PLUMBLINE_STATE_DIR to another folder."
        )
    for name in EARLIER_FILES:
        earlier = layout.folder / name
        if name == "password":
            earlier.unlink(missing_ok=True)
        elif earlier.exists():
            _give(earlier, user)
            earlier.rename(layout.data / name)


def _give(path: Path, user: ServerUser | None) -> None:
    if user is not None:
        for part in (path, *path.rglob("*")):
            os.chown(part, *user, follow_symlinks=False)


def _start(
    program: RedisProgram, layout: Layout, user: ServerUser | None, users: Sequence[RedisUser]
) -> tuple[subprocess.Popen[bytes], dict[str, str]]:
    passwords = _passwords(layout, users)
    port = free_port(_last_port(layout))
    with replacing(layout.config) as partial:
        partial.write_text(_config(program, port, users, passwords), encoding="ascii")
    process = child_process.start(
        # The configuration comes through standard input, opened as the user of this process.
        [reachable_program(program.path, layout.data, user), "-"],
        log=layout.log,
        user=user,
        cwd=layout.data,
        stdin=layout.config,
        # Redis 7.2 does not start in a locale that the machine does not have.
        environment=os.environ | {"LC_ALL": "C"},
    )
    try:
        _wait_until_ready(process, layout, port, passwords[ADMIN])
    except BaseException:
        child_process.stop(process, signal.SIGTERM, STOP_TIMEOUT_S)
        raise
    with replacing(layout.port) as partial:
        partial.write_text(str(port), encoding="ascii")
    return process, {
        name: f"redis://{name}:{password}@{LOCALHOST}:{port}/0"
        for name, password in passwords.items()
    }


def _config(
    program: RedisProgram, port: int, users: Sequence[RedisUser], passwords: Mapping[str, str]
) -> str:
    """Return the configuration, which contains passwords only as hashes."""
    lines = [
        f"user {user.name} on {redis_users.password_rule(passwords[user.name])} "
        f"{user.rights(program.knows_setinfo)}\n"
        for user in users
    ]
    protection = PROTECTION if program.is_maintained else ""
    return CONFIG.format(host=LOCALHOST, port=port) + protection + "".join(lines)


def _wait_until_ready(
    process: subprocess.Popen[bytes], layout: Layout, port: int, password: str
) -> None:
    deadline, refusal = time.monotonic() + START_TIMEOUT_S, "none was tried"
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with Redis(host=LOCALHOST, port=port, username=ADMIN, password=password) as connection:
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
    raise EmbeddedFailed(f"Redis did not start: {problem}; {quote_log(layout.log, LOG_LINES)}.")


def _passwords(layout: Layout, users: Sequence[RedisUser]) -> dict[str, str]:
    """Return the passwords of these users; each is drawn once per folder."""
    try:
        known = json.loads(layout.passwords.read_text(encoding="ascii"))
    except FileNotFoundError:
        known = {}
    passwords = {user.name: known.get(user.name) or secrets.token_urlsafe(24) for user in users}
    if passwords != known:
        with replacing(layout.passwords) as partial:
            partial.write_text(json.dumps(passwords), encoding="ascii")
    return passwords


def _last_port(layout: Layout) -> int | None:
    try:
        return int(layout.port.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
