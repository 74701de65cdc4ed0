"""Heartbeats: every worker and beat writes to Redis every few seconds that it is running.

They are members of one sorted set. The score of a member is the time of Redis's own clock, so that
machines whose clocks differ agree on the age of a heartbeat. A hash has, per member, how far the
sender's clock is ahead of Redis's.

A member that cannot be read does not count, and a key of another type is replaced: neither keeps
the other heartbeats from being sent and read.
"""

from __future__ import annotations

import math
import socket
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

from plumbline.queues import KEY_PREFIX

# A probe reads heartbeats without redis-py; see `plumbline.redis_probe`.
if TYPE_CHECKING:
    import redis

KEY = KEY_PREFIX + "alive"
CLOCKS_KEY = KEY_PREFIX + "clocks"
INTERVAL_S = 2.0
# An older heartbeat does not count.
MAX_AGE_S = 15.0
# An older heartbeat is deleted.
RETENTION_S = 3600
# A larger difference between two clocks is reported.
CLOCK_TOLERANCE_S = 5.0
# The name of every beat process. A worker has the node name that Celery knows it by.
BEAT = "beat"
REDIS_TIMEOUT_S = 2.0
# More are neither kept nor read; the newest ones count.
MAX_MEMBERS = 10_000

# A member from the future was added before Redis's clock was set back.
_SEND = """
local time = redis.call('TIME')
local now = tonumber(time[1])
for position, kind in ipairs({'zset', 'hash'}) do
    local found = redis.call('TYPE', KEYS[position]).ok
    if found ~= kind and found ~= 'none' then
        redis.call('DEL', KEYS[position])
    end
end
-- A full Redis refuses ZADD, but not to a script that has written.
redis.call('ZREM', KEYS[1], '')
redis.call('ZADD', KEYS[1], now, ARGV[1])
-- Each sender sets its own field again.
if redis.call('HLEN', KEYS[2]) > tonumber(ARGV[4]) then
    redis.call('DEL', KEYS[2])
end
local ahead = string.format('%.3f', tonumber(ARGV[3]) - now - tonumber(time[2]) / 1e6)
redis.call('HSET', KEYS[2], ARGV[1], ahead)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '(' .. now, '+inf')
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -1 - ARGV[4])
return ahead
"""


class WorkerStatus(StrEnum):
    """What the sender of a heartbeat can do.

    A worker that scores texts is LOADING until one of its processes has loaded the model. OTHER is
    a worker that does not consume texts.
    """

    SCORING = "scoring"
    LOADING = "loading"
    OTHER = "other"
    BEAT = "beat"


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """`clock_ahead_s` is how far the sender's clock is ahead of Redis's; None for older senders."""

    status: WorkerStatus
    machine: str
    name: str
    clock_ahead_s: float | None = field(default=None, compare=False)


class Reader(Protocol):
    """What reading heartbeats needs of a connection to Redis."""

    def time(self) -> Any: ...
    def zrevrangebyscore(
        self, name: str, max: float, min: float, start: int, num: int, /
    ) -> Any: ...
    def hmget(self, name: str, keys: list[Any], /) -> Any: ...


@dataclass(frozen=True, slots=True)
class Survey:
    """`clock_ahead_s` is how far this machine's clock is ahead of Redis's."""

    heartbeats: Sequence[Heartbeat]
    clock_ahead_s: float


def send(connection: redis.Redis, status: WorkerStatus, name: str) -> float:
    """Record a heartbeat of the process `name` on this machine.

    Returns how many seconds this machine's clock is ahead of Redis's.
    """
    member = _encodable(f"{status} {machine_name()} {name}")
    ahead: Any = connection.eval(
        _SEND, 2, KEY, CLOCKS_KEY, member, RETENTION_S, time.time(), MAX_MEMBERS
    )
    return float(ahead)


def recent(connection: Reader) -> list[Heartbeat]:
    """Return the heartbeats of the last MAX_AGE_S, one per process."""
    return list(survey(connection).heartbeats)


def survey(connection: Reader) -> Survey:
    """Return the heartbeats of the last MAX_AGE_S, one per process, and compare the clocks.

    This also proves that Redis responds.
    """
    before = time.time()
    seconds, microseconds = connection.time()
    here = (before + time.time()) / 2
    # Newest first: a process whose status changed has several members, of which the newest counts.
    # A heartbeat from the future was sent before Redis's clock was set back.
    members: Any = []
    clocks: Any = []
    with _of_another_type():
        members = connection.zrevrangebyscore(KEY, seconds + 1, seconds - MAX_AGE_S, 0, MAX_MEMBERS)
        clocks = connection.hmget(CLOCKS_KEY, members) if members else []
    heartbeats: dict[tuple[str, str], Heartbeat] = {}
    for member, ahead in zip(members, clocks or [None] * len(members), strict=True):
        sender = _parse(member, ahead)
        if sender is not None:
            heartbeats.setdefault((sender.machine, sender.name), sender)
    return Survey(list(heartbeats.values()), here - seconds - microseconds / 1e6)


@contextmanager
def _of_another_type() -> Iterator[None]:
    """Ignore that a key has another type; the next sender replaces it."""
    try:
        yield
    except Exception as error:
        if "WRONGTYPE" not in (str(error).split(" ", 1)[0], getattr(error, "status_code", None)):
            raise


def _parse(member: bytes, ahead: bytes | None) -> Heartbeat | None:
    """Return the heartbeat; None if it cannot be read, as one of a later release may not be."""
    try:
        status, machine, name = member.decode().split(" ", 2)
        return Heartbeat(WorkerStatus(status), machine, name, _finite(ahead))
    except ValueError:
        return None


def _finite(number: bytes | None) -> float | None:
    with suppress(ValueError):
        if number is not None and math.isfinite(value := float(number)):
            return value
    return None


def clock_difference(ahead_s: float) -> str:
    """Return how two clocks differ, as in "8 s behind"."""
    return f"{abs(ahead_s):,.0f} s {'ahead of' if ahead_s > 0 else 'behind'}"


def forget(connection: redis.Redis, names: Collection[str]) -> None:
    """Delete the heartbeats of these processes of this machine, which do not run any more."""
    for member in _members_of(names):
        with _of_another_type():
            connection.zrem(KEY, member)
            connection.hdel(CLOCKS_KEY, member)


def _members_of(names: Collection[str]) -> Iterator[str]:
    for name in names:
        for status in WorkerStatus:
            yield _encodable(f"{status} {machine_name()} {name}")


def connect(url: str) -> redis.Redis:
    from plumbline_client.broker import connect_redis

    return connect_redis(url, REDIS_TIMEOUT_S)


def machine_name() -> str:
    # A space separates the parts of a member.
    return _encodable(socket.gethostname().replace(" ", "_"))


def _encodable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
