"""What a Redis refused: its log of commands and keys that a user may not use."""

from __future__ import annotations

from typing import Any

import redis


def refusals(keys: redis.Redis) -> list[str]:
    """Return what was refused since the last `forget`, as in "producer: get (command)"."""
    entries: Any = keys.acl_log()
    return sorted(f"{e['username']}: {e['object']} ({e['reason']})" for e in entries)


def forget(keys: redis.Redis) -> None:
    keys.acl_log_reset()
