"""The users of Redis and their rights. Each has the commands and keys that it needs, and no others.

A producer adds messages and can read nothing. A worker works on the keys of Plumbline. A monitor
reads heartbeats and lengths of queues, but no message.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from plumbline.queues import BULK_QUEUE, KEY_PREFIX, SCORE_QUEUE

PRODUCER, WORKER, MONITOR, ADMIN = "producer", "worker", "monitor", "admin"
# What clients send when they connect, apart from AUTH and HELLO, which need no right.
CONNECTION = ("ping", "client|setinfo", "client|setname")
TEXT_QUEUES = (SCORE_QUEUE, BULK_QUEUE)
# A list of one element that wakes idle workers.
BELL = KEY_PREFIX + "bell"
HEARTBEATS = (KEY_PREFIX + "alive", KEY_PREFIX + "clocks")
# Scripts run with these rights as well. SCRIPT, which also deletes scripts, is not among them.
WORKER_COMMANDS = (
    *CONNECTION,
    *("time", "eval", "evalsha", "multi", "exec", "type", "exists", "get", "set", "del", "expire"),
    *("lpush", "rpush", "lpop", "rpop", "lmove", "blmove", "llen", "lrange", "lrem", "ltrim"),
    *("hget", "hset", "hdel", "hmget", "hgetall", "hlen", "hincrby", "hexists"),
    *("zadd", "zrem", "zscore", "zcard", "zincrby", "zrange", "zrangebyscore", "zrevrangebyscore"),
    *("zremrangebyrank", "zremrangebyscore", "sadd", "srem", "smembers", "incr", "incrby"),
)
MONITOR_COMMANDS = (
    *CONNECTION,
    *("time", "type", "llen", "hmget", "hgetall", "zrange", "zrangebyscore", "zrevrangebyscore"),
)


@dataclass(frozen=True, slots=True)
class RedisUser:
    """`keys` are patterns, `rules` what may be done with them. No user may use a channel."""

    name: str
    keys: Sequence[str]
    rules: Sequence[str]

    def rights(self) -> str:
        """Return the rules of `ACL SETUSER` without a password; they replace all earlier rights."""
        keys = [f"~{pattern}" for pattern in self.keys]
        return " ".join(["resetkeys", "resetchannels", "-@all", *keys, *self.rules])


def producer(source: str | None = None) -> RedisUser:
    """Return the user that adds messages; of a source that is bound to queues, only to its own."""
    if source is None:
        lists = [KEY_PREFIX + name for queue in TEXT_QUEUES for name in (queue, f"{queue}#*")]
        name = PRODUCER
    else:
        lists = [f"{KEY_PREFIX}{queue}@{source}" for queue in TEXT_QUEUES]
        name = f"{PRODUCER}-{source}"
    return RedisUser(name, [*lists, BELL], _allowed("lpush", *CONNECTION))


def worker() -> RedisUser:
    """Return the user of workers, beat and the operator's commands."""
    return RedisUser(WORKER, [KEY_PREFIX + "*"], _allowed(*WORKER_COMMANDS))


def monitor() -> RedisUser:
    """Return the user of `plumbline status` and `plumbline health`, which reads no message."""
    return RedisUser(
        MONITOR, [*HEARTBEATS, f"{KEY_PREFIX}plumbline.*"], _allowed(*MONITOR_COMMANDS)
    )


def admin() -> RedisUser:
    """Return the user of whoever looks after the embedded server."""
    taken = [f"-@{category}" for category in ("dangerous", "admin", "scripting", "pubsub")]
    return RedisUser(ADMIN, [KEY_PREFIX + "*"], ["+@all", *taken, "+info", "+acl|log"])


def password_rule(password: str) -> str:
    """Return the rule that sets a password by its hash, which is how Redis stores it."""
    return "#" + hashlib.sha256(password.encode()).hexdigest()


def _allowed(*commands: str) -> list[str]:
    return [f"+{command}" for command in commands]
