from __future__ import annotations

from collections.abc import Callable

import pytest
import redis

from plumbline.broker import check_writable, ping, queue_depth
from plumbline.queues import BULK_QUEUE, KEY_PREFIX, REPORT_QUEUE, SCORE_QUEUE
from plumbline_client.errors import BrokerUnavailable


def test_depth_counts_the_scoring_queues_unless_others_are_named(broker_url: str) -> None:
    with redis.Redis.from_url(broker_url) as connection:
        for queue, messages in ((SCORE_QUEUE, 1), (BULK_QUEUE, 2), (REPORT_QUEUE, 4)):
            connection.lpush(KEY_PREFIX + queue, *range(messages))
    assert queue_depth(broker_url) == 1 + 2
    assert queue_depth(broker_url, REPORT_QUEUE) == 4
    assert queue_depth(broker_url, BULK_QUEUE, REPORT_QUEUE) == 2 + 4


def test_redis_that_refuses_writes_responds_but_is_not_writable(broker_url: str) -> None:
    check_writable(broker_url)
    with redis.Redis.from_url(broker_url) as connection:
        # Without a replica, Redis then refuses every write.
        connection.config_set("min-replicas-to-write", 1)
        try:
            ping(broker_url)
            with pytest.raises(BrokerUnavailable, match=r"^Redis at .* refuses: .*\.$"):
                check_writable(broker_url)
        finally:
            connection.config_set("min-replicas-to-write", 0)


@pytest.mark.parametrize("request_to_redis", [ping, check_writable, queue_depth])
def test_unreachable_redis_is_one_sentence_without_the_password(
    request_to_redis: Callable[[str], object],
) -> None:
    with pytest.raises(BrokerUnavailable, match="cannot be reached") as caught:
        request_to_redis("redis://:hunter2@127.0.0.1:1/0")
    sentence = str(caught.value)
    assert sentence.endswith(".") and "\n" not in sentence
    assert "hunter2" not in sentence
