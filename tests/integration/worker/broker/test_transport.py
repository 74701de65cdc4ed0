from __future__ import annotations

import uuid
from typing import Any

import pytest
import redis
from kombu.transport import redis as kombu

from plumbline.queues import KEY_PREFIX, SCORE_QUEUE
from plumbline_client.broker import Publisher


def test_publishing_makes_one_client_and_goes_on_after_a_cut(
    broker_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Any] = []
    make = kombu.Channel._create_client

    def counted(channel: Any, asynchronous: bool = False) -> Any:
        made.append(asynchronous)
        return make(channel, asynchronous)

    monkeypatch.setattr(kombu.Channel, "_create_client", counted)
    publisher = Publisher(broker_url)
    with redis.Redis.from_url(broker_url) as keys:
        for _ in range(3):
            publisher.wake([uuid.uuid4()])
        # None, where an earlier test has left its channel in the pool that all share.
        assert made.count(False) <= 1
        keys.client_kill_filter(_type="normal", skipme=True)
        for _ in range(2):
            publisher.wake([uuid.uuid4()])
        assert keys.llen(KEY_PREFIX + SCORE_QUEUE) == 5
    publisher.close()
