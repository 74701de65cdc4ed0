from __future__ import annotations

import json

import redis

from plumbline.queues import KEY_PREFIX
from plumbline_client.broker import Publisher
from worker.periodic import EVERY_HEADER, LONGEST_QUEUE, PeriodicTask, send_unless_waiting

SWEEP = PeriodicTask("plumbline.sweep", 5.0, "plumbline.upkeep", {})
DRIFT = PeriodicTask("plumbline.drift", 3_600.0, "plumbline.reports", {"by_source": True})
QUALITY = PeriodicTask("plumbline.quality", 600.0, "plumbline.reports", {})


def test_one_message_of_each_task_waits(broker_url: str) -> None:
    with redis.Redis.from_url(broker_url) as keys:
        for _ in range(3):
            for task in (SWEEP, DRIFT, QUALITY):
                send_unless_waiting(keys, task)
        assert keys.llen(KEY_PREFIX + "plumbline.upkeep") == 1
        assert keys.llen(KEY_PREFIX + "plumbline.reports") == 2
        message = json.loads(keys.rpop(KEY_PREFIX + "plumbline.reports") or "")
        assert message["headers"]["task"] == "plumbline.drift"
        assert message["headers"][EVERY_HEADER] == 3_600.0
        assert message["headers"].get("expires") is None
        assert not send_unless_waiting(keys, QUALITY)
        assert send_unless_waiting(keys, DRIFT)


def test_a_request_of_a_person_is_not_a_message_of_beat(broker_url: str) -> None:
    with redis.Redis.from_url(broker_url) as keys, Publisher(broker_url) as publisher:
        publisher.send("plumbline.drift", {}, "plumbline.reports")
        assert send_unless_waiting(keys, DRIFT)
        assert keys.llen(KEY_PREFIX + "plumbline.reports") == 2


def test_a_message_that_was_encoded_anew_still_waits(broker_url: str) -> None:
    key = KEY_PREFIX + "plumbline.upkeep"
    with redis.Redis.from_url(broker_url) as keys:
        send_unless_waiting(keys, SWEEP)
        message = json.loads(keys.rpop(key) or "")
        keys.lpush(key, json.dumps(message, separators=(",", ":"), sort_keys=True))
        assert not send_unless_waiting(keys, SWEEP)


def test_a_queue_that_nobody_reads_does_not_grow(broker_url: str) -> None:
    key = KEY_PREFIX + "plumbline.reports"
    with redis.Redis.from_url(broker_url) as keys:
        keys.rpush(key, *["{}"] * LONGEST_QUEUE)
        assert not send_unless_waiting(keys, DRIFT)
        assert keys.llen(key) == LONGEST_QUEUE
