"""Heartbeats: every worker and beat writes to Redis every few seconds that it is running.

They are members of one sorted set. The score of a member is the time of Redis's own clock, so that
machines whose clocks differ agree on the age of a heartbeat.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from enum import StrEnum
from typing import cast

import redis

from plumbline.queues import KEY_PREFIX

KEY = KEY_PREFIX + "alive"
INTERVAL_S = 2.0
# An older heartbeat does not count.
MAX_AGE_S = 15.0
# An older heartbeat is deleted.
RETENTION_S = 3600
REDIS_TIMEOUT_S = 2.0

_SEND = """
local now = redis.call('TIME')[1]
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2])
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
    status: WorkerStatus
    machine: str
    name: str


def send(connection: redis.Redis, status: WorkerStatus, name: str) -> None:
    """Record a heartbeat of the process `name` on this machine."""
    connection.eval(_SEND, 1, KEY, f"{status} {machine_name()} {name}", RETENTION_S)


def recent(connection: redis.Redis) -> list[Heartbeat]:
    """Return the heartbeats of the last MAX_AGE_S, one per process.

    This is one round trip, which also proves that Redis responds.
    """
    with connection.pipeline(transaction=False) as pipeline:
        pipeline.time()
        pipeline.zrange(KEY, 0, -1, withscores=True)
        (now, _), members = pipeline.execute()
    # A process whose status changed has several members; the newest one counts.
    newest_first = sorted(cast(list[tuple[bytes, float]], members), key=lambda entry: -entry[1])
    heartbeats: dict[str, Heartbeat] = {}
    for member, sent_at in newest_first:
        status, machine, name = member.decode().split(" ", 2)
        if now - sent_at <= MAX_AGE_S:
            heartbeats.setdefault(
                f"{machine} {name}", Heartbeat(WorkerStatus(status), machine, name)
            )
    return list(heartbeats.values())


def connect(url: str) -> redis.Redis:
    return redis.Redis.from_url(
        url, socket_connect_timeout=REDIS_TIMEOUT_S, socket_timeout=REDIS_TIMEOUT_S
    )


def machine_name() -> str:
    return socket.gethostname()
