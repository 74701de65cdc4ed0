"""Questions to Redis: does it respond, does it accept writes, how long are the queues."""

from __future__ import annotations

from typing import cast

from plumbline.queues import BULK_QUEUE, KEY_PREFIX, SCORE_QUEUE
from plumbline_client.broker import connect_redis, translate_redis_errors


def queue_depth(url: str, *queues: str) -> int:
    """Return the number of messages (not texts) in these queues, by default in the scoring queues.

    Raises `BrokerUnavailable`.
    """
    with translate_redis_errors(url), connect_redis(url) as connection:
        return sum(
            cast(int, connection.llen(KEY_PREFIX + queue))
            for queue in queues or (SCORE_QUEUE, BULK_QUEUE)
        )


def ping(url: str) -> None:
    """Raise `BrokerUnavailable` unless Redis responds."""
    with translate_redis_errors(url), connect_redis(url) as connection:
        connection.ping()


def check_writable(url: str) -> None:
    """Raise `BrokerUnavailable` unless Redis accepts a write."""
    with translate_redis_errors(url), connect_redis(url) as connection:
        connection.set(KEY_PREFIX + "probe", "", px=1)
