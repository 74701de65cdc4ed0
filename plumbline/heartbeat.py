"""Heartbeats: every worker and beat writes to Redis every few seconds that it is running.

They are members of one sorted set. The score of a member is the time of Redis's own clock, so that
machines whose clocks differ agree on the age of a heartbeat. A hash has, per member, how far the
sender's clock is ahead of Redis's.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import cast

import redis

from plumbline.queues import KEY_PREFIX
from plumbline_client.broker import connect_redis

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

# A member from the future was added before Redis's clock was set back.
_SEND = """
local time = redis.call('TIME')
local now = tonumber(time[1])
-- A full Redis refuses ZADD, but not to a script that has written.
redis.call('ZREM', KEYS[1], '')
redis.call('ZADD', KEYS[1], now, ARGV[1])
local ahead = string.format('%.3f', tonumber(ARGV[3]) - now - tonumber(time[2]) / 1e6)
redis.call('HSET', KEYS[2], ARGV[1], ahead)
for _, range in ipairs({{'-inf', now - ARGV[2]}, {'(' .. now, '+inf'}}) do
    for _, member in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], range[1], range[2])) do
        redis.call('ZREM', KEYS[1], member)
        redis.call('HDEL', KEYS[2], member)
    end
end
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


@dataclass(frozen=True, slots=True)
class Survey:
    """`clock_ahead_s` is how far this machine's clock is ahead of Redis's."""

    heartbeats: Sequence[Heartbeat]
    clock_ahead_s: float


def send(connection: redis.Redis, status: WorkerStatus, name: str) -> float:
    """Record a heartbeat of the process `name` on this machine.

    Returns how many seconds this machine's clock is ahead of Redis's.
    """
    member = f"{status} {machine_name()} {name}"
    ahead: bytes = connection.eval(_SEND, 2, KEY, CLOCKS_KEY, member, RETENTION_S, time.time())
    return float(ahead)


def recent(connection: redis.Redis) -> list[Heartbeat]:
    """Return the heartbeats of the last MAX_AGE_S, one per process."""
    return list(survey(connection).heartbeats)


def survey(connection: redis.Redis) -> Survey:
    """Return the heartbeats of the last MAX_AGE_S, one per process, and compare the clocks.

    This is one round trip, which also proves that Redis responds.
    """
    with connection.pipeline(transaction=False) as pipeline:
        pipeline.time()
        pipeline.zrange(KEY, 0, -1, withscores=True)
        pipeline.hgetall(CLOCKS_KEY)
        before = time.time()
        (now, microseconds), members, clocks = pipeline.execute()
        here = (before + time.time()) / 2
    # A process whose status changed has several members; the newest one counts.
    newest_first = sorted(cast(list[tuple[bytes, float]], members), key=lambda entry: -entry[1])
    heartbeats: dict[str, Heartbeat] = {}
    for member, sent_at in newest_first:
        status, machine, name = member.decode().split(" ", 2)
        # A heartbeat from the future was sent before Redis's clock was set back.
        if 0 <= now - sent_at <= MAX_AGE_S:
            ahead = float(clocks[member]) if member in clocks else None
            heartbeats.setdefault(
                f"{machine} {name}", Heartbeat(WorkerStatus(status), machine, name, ahead)
            )
    return Survey(list(heartbeats.values()), here - now - microseconds / 1e6)


def clock_difference(ahead_s: float) -> str:
    """Return how two clocks differ, as in "8 s behind"."""
    return f"{abs(ahead_s):,.0f} s {'ahead of' if ahead_s > 0 else 'behind'}"


def forget(connection: redis.Redis, names: Collection[str]) -> None:
    """Delete the heartbeats of these processes of this machine, which do not run any more."""
    for member in cast(list[bytes], connection.zrange(KEY, 0, -1)):
        _, machine, name = member.decode().split(" ", 2)
        if machine == machine_name() and name in names:
            connection.zrem(KEY, member)
            connection.hdel(CLOCKS_KEY, member)


def connect(url: str) -> redis.Redis:
    return connect_redis(url, REDIS_TIMEOUT_S)


def machine_name() -> str:
    return socket.gethostname()
