from __future__ import annotations

from typing import Any

import pytest
import redis
from kombu import Connection, Queue
from kombu.transport import redis as kombu_redis

from worker.broker.transport import Transport

QUEUE = "orders"


def test_a_channel_keeps_its_client_across_a_cut_connection(
    broker_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    created: list[bool] = []
    create_client = kombu_redis.Channel._create_client

    def counted(channel: Any, asynchronous: bool = False) -> Any:
        created.append(asynchronous)
        return create_client(channel, asynchronous)

    monkeypatch.setattr(kombu_redis.Channel, "_create_client", counted)
    with (
        redis.Redis.from_url(broker_url) as keys,
        Connection(broker_url, transport=Transport) as connection,
        connection.Producer() as producer,
    ):
        queue = Queue(QUEUE, routing_key=QUEUE)
        for number in range(3):
            producer.publish({"n": number}, routing_key=QUEUE, declare=[queue], retry=True)
        assert created.count(False) == 1
        keys.client_kill_filter(_type="normal", skipme=True)
        for number in range(2):
            producer.publish({"n": number}, routing_key=QUEUE, declare=[queue], retry=True)
        assert keys.llen(QUEUE) == 5
        assert created.count(False) == 1
