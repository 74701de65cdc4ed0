"""The users of Redis and their rights. Each has the commands and keys that it needs, and no others.

A producer adds messages and can read nothing. A worker works on the keys of Plumbline. A monitor
reads heartbeats and lengths of queues, but no message.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from plumbline.queues import BULK_QUEUE, KEY_PREFIX, SCORE_QUEUE
from plumbline_client.errors import PlumblineError
from plumbline_client.queues import bound_list, has_list, lane

PRODUCER, WORKER, MONITOR, ADMIN = "producer", "worker", "monitor", "admin"
# What clients send when they connect, apart from AUTH and HELLO, which need no right.
SETINFO = "client|setinfo"
CONNECTION = ("ping", SETINFO, "client|setname")
TEXT_QUEUES = (SCORE_QUEUE, BULK_QUEUE)
# What kombu appends to the name of a list for a priority: two bytes and a digit. The first byte is
# not a part of any source's name, so that no pattern admits the list of another source.
PRIORITY = "[^-@A-Za-z0-9._]?[369]"
HEARTBEATS = (KEY_PREFIX + "alive", KEY_PREFIX + "clocks")
# Scripts run with these rights as well. SCRIPT, which also deletes scripts, is not among them.
WORKER_COMMANDS = (
    *CONNECTION,
    *("time", "eval", "evalsha", "multi", "exec", "type", "exists", "set", "del"),
    *("lpush", "rpush", "rpop", "lmove", "blmove", "llen", "lrange", "ltrim"),
    *("hget", "hset", "hdel", "hmget", "hgetall", "hlen", "sadd", "srem", "smembers"),
    *("zadd", "zrem", "zscore", "zrange", "zrangebyscore", "zrevrangebyscore"),
    *("zremrangebyrank", "zremrangebyscore"),
)
MONITOR_COMMANDS = (
    *CONNECTION,
    *("time", "type", "llen", "hmget", "hgetall", "zrange", "zrangebyscore", "zrevrangebyscore"),
)


class SourceWithoutList(PlumblineError):
    """A source whose name cannot be part of the name of a list."""


@dataclass(frozen=True, slots=True)
class RedisUser:
    """`keys` are patterns, `rules` what may be done with them. No user may use a channel."""

    name: str
    keys: Sequence[str]
    rules: Sequence[str]

    def rights(self, setinfo: bool = True, select: bool = False) -> str:
        """Return the rules of `ACL SETUSER` without a password; they replace all earlier rights.

        Redis 7.0 and 7.1 refuse a rule about CLIENT SETINFO, which they do not know. A URL with a
        database number other than 0 needs SELECT.
        """
        keys = [f"~{pattern}" for pattern in self.keys]
        rules = [rule for rule in self.rules if setinfo or rule != f"+{SETINFO}"]
        selecting = ["+select"] if select else []
        return " ".join(["resetkeys", "resetchannels", "-@all", *keys, *rules, *selecting])


def producer(source: str | None = None) -> RedisUser:
    """Return the user that adds messages; of a source that is bound to queues, only to its lists.

    Raises SourceWithoutList.
    """
    if source is not None and not has_list(source):
        raise SourceWithoutList(
            "The name of a source with lists of its own consists of 1 to 100 letters, digits, "
            "dots, hyphens and underscores of ASCII."
        )
    queues = TEXT_QUEUES
    lists = queues if source is None else [bound_list(queue, source) for queue in queues]
    names = [name + suffix for name in lists for suffix in ("", PRIORITY)]
    if source is None:
        names += map(lanes_of, queues)
    name = PRODUCER if source is None else f"{PRODUCER}-{source}"
    return RedisUser(name, [KEY_PREFIX + n for n in names], _allowed("lpush", *CONNECTION))


def lanes_of(queue: str) -> str:
    """Return the pattern of the lanes of a queue, and of the list that wakes idle workers."""
    return lane(queue, 0).removesuffix("0") + "*"


def worker() -> RedisUser:
    """Return the user of workers, beat and the operator's commands."""
    return RedisUser(WORKER, [KEY_PREFIX + "*"], _allowed(*WORKER_COMMANDS))


def monitor() -> RedisUser:
    """Return the user of `plumbline status` and `plumbline health`, which reads no message."""
    return RedisUser(
        MONITOR, [*HEARTBEATS, f"{KEY_PREFIX}plumbline.*"], _allowed(*MONITOR_COMMANDS)
    )


def admin() -> RedisUser:
    """Return the user of whoever looks after the embedded server and mends keys by hand."""
    kinds = ("keyspace", "string", "list", "hash", "set", "sortedset")
    given = [f"+@{kind}" for kind in kinds]
    return RedisUser(
        ADMIN,
        [KEY_PREFIX + "*"],
        [*given, "-@dangerous", *_allowed(*CONNECTION, "info", "acl|log", "acl|whoami")],
    )


def setuser_command(user: RedisUser, password: str | None, rights: str) -> str:
    """Return the command that creates the user, or that only sets the rights of one that exists."""
    login = f"on resetpass >{password} " if password is not None else ""
    return f"ACL SETUSER {user.name} {login}{rights}"


def password_rule(password: str) -> str:
    """Return the rule that sets a password by its hash, which is how Redis stores it."""
    return "#" + hashlib.sha256(password.encode()).hexdigest()


def _allowed(*commands: str) -> list[str]:
    return [f"+{command}" for command in commands]
