"""Signs of life: each worker and beat says every few seconds in Redis that it is there.

One sorted set, scored by Redis's own clock, so that machines whose clocks differ agree.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from enum import StrEnum
from typing import cast

import redis

from plumbline.queues import KEY_PREFIX

KEY = KEY_PREFIX + "alive"
EVERY_S = 2.0
FRESH_S = 15.0
FORGET_S = 3600
TIMEOUT_S = 2.0

_SIGN = """
local now = redis.call('TIME')[1]
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2])
"""


class WorkerStatus(StrEnum):
    """What who signs is able to do. A worker of texts is LOADING while none of its processes has
    its model.
    """

    SCORING = "scoring"
    LOADING = "loading"
    OTHER = "other"
    BEAT = "beat"


@dataclass(frozen=True, slots=True)
class Heartbeat:
    able: WorkerStatus
    machine: str
    name: str


def sign(connection: redis.Redis, able: WorkerStatus, name: str) -> None:
    """Say that the process `name` of this machine is there."""
    connection.eval(_SIGN, 1, KEY, f"{able} {machine()} {name}", FORGET_S)


def fresh(connection: redis.Redis) -> list[Heartbeat]:
    """Who said so lately. One round trip, which also proves that Redis answers."""
    with connection.pipeline(transaction=False) as asked:
        asked.time()
        asked.zrange(KEY, 0, -1, withscores=True)
        (now, _), found = asked.execute()
    signs = cast(list[tuple[bytes, float]], found)
    # The newest first: of one process that has changed, what it says now.
    signs.sort(key=lambda entry: -entry[1])
    told: dict[str, Heartbeat] = {}
    for member, at in signs:
        able, machine, name = member.decode().split(" ", 2)
        if now - at <= FRESH_S:
            told.setdefault(f"{machine} {name}", Heartbeat(WorkerStatus(able), machine, name))
    return list(told.values())


def connect(url: str) -> redis.Redis:
    return redis.Redis.from_url(url, socket_connect_timeout=TIMEOUT_S, socket_timeout=TIMEOUT_S)


def machine() -> str:
    return socket.gethostname()
