"""What is pushed into the queue and is no message: logged, and no worker dies of it."""

from __future__ import annotations

import json
from pathlib import Path

import redis

from plumbline.queues import KEY_PREFIX, SCORE_QUEUE
from plumbline_client import Client
from tests.workers import worker

PROPERTIES = {
    "correlation_id": "c",
    "delivery_mode": 2,
    "delivery_info": {"exchange": "", "routing_key": "plumbline.score"},
    "priority": 0,
    "body_encoding": "base64",
    "delivery_tag": "t",
}
GARBAGE = [
    b"not JSON",
    b"",
    b"\xff\xfe\x00",
    b"[" * 100_000,
    *(
        json.dumps(value).encode()
        for value in (
            42,
            None,
            [],
            "text",
            {},
            {"properties": None},
            {"properties": []},
            {"properties": {}},
            {"properties": PROPERTIES | {"delivery_tag": ["t"]}},
            {"properties": PROPERTIES | {"delivery_tag": {}}},
            {"properties": PROPERTIES | {"delivery_tag": None}, "body": "e30=", "headers": {}},
            {"properties": PROPERTIES | {"body_encoding": "none such"}, "body": "e30="},
            {"properties": PROPERTIES, "body": "no base64"},
            {"properties": PROPERTIES, "body": 7},
            {"properties": PROPERTIES, "body": "e30=", "headers": 3},
            {"properties": PROPERTIES, "body": "e30=", "headers": {"id": 1, "task": 2}},
            {"properties": PROPERTIES | {"delivery_info": 1}, "body": "e30="},
        )
    ),
]


def test_no_garbage_in_the_queue_ends_a_worker(
    database_url: str, broker_url: str, tmp_path: Path
) -> None:
    with (
        worker(database_url, broker_url, tmp_path, concurrency=1) as found,
        redis.Redis.from_url(broker_url) as queue,
        Client(database_url, broker_url) as client,
    ):
        children = found.children()
        for garbage in GARBAGE:
            queue.lpush(KEY_PREFIX + SCORE_QUEUE, garbage)
        job = client.submit("See you at six").job_id
        assert client.wait([job])[0].state == "scored"
        assert found.process.poll() is None
        assert found.children() == children
        assert queue.llen(KEY_PREFIX + SCORE_QUEUE) == 0
        log = found.log()
        assert "what is no message is rejected: JSONDecodeError" in log
        assert log.count("what is no message is rejected") >= 10
        assert "Unrecoverable error" not in log
