from __future__ import annotations

import uuid

import redis

from plumbline_client.broker import Publisher
from plumbline_client.queues import KEY_PREFIX, SCORE_QUEUE


def test_a_publisher_continues_after_its_connection_was_cut(broker_url: str) -> None:
    with Publisher(broker_url) as publisher, redis.Redis.from_url(broker_url) as keys:
        for _ in range(3):
            publisher.wake([uuid.uuid4()])
        keys.client_kill_filter(_type="normal", skipme=True)
        for _ in range(2):
            publisher.wake([uuid.uuid4()])
        assert keys.llen(KEY_PREFIX + SCORE_QUEUE) == 5
