"""Entries of a queue that are not messages are logged, and no worker dies of them."""

from __future__ import annotations

import json
from pathlib import Path

import redis

from plumbline.queues import KEY_PREFIX, SCORE_QUEUE
from plumbline_client import Client
from tests.waiting import eventually
from tests.workers import start_worker

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
            {"properties": PROPERTIES | {"body_encoding": "unknown"}, "body": "e30="},
            {"properties": PROPERTIES, "body": "no base64"},
            {"properties": PROPERTIES, "body": 7},
            {"properties": PROPERTIES, "body": "e30=", "headers": 3},
            {"properties": PROPERTIES, "body": "e30=", "headers": {"id": 1, "task": 2}},
            {"properties": PROPERTIES | {"delivery_info": 1}, "body": "e30="},
        )
    ),
]


def test_garbage_in_the_queue_does_not_end_a_worker(
    database_url: str, broker_url: str, tmp_path: Path
) -> None:
    with (
        start_worker(database_url, broker_url, tmp_path, concurrency=1) as worker,
        redis.Redis.from_url(broker_url) as keys,
        Client(database_url, broker_url) as client,
    ):
        children = worker.children()
        for garbage in GARBAGE:
            keys.lpush(KEY_PREFIX + SCORE_QUEUE, garbage)
        job = client.submit("See you at six").job_id
        assert client.wait([job])[0].state == "scored"
        # A submitted text can overtake messages: PostgreSQL notifies the worker as well.
        eventually(
            lambda: keys.llen(KEY_PREFIX + SCORE_QUEUE) == 0, 30.0, "the queue is not emptied"
        )
        worker.wait_for_log("message without a valid id is rejected", times=10)
        assert worker.process.poll() is None
        assert worker.children() == children
        log = worker.log()
        assert "message without a valid id is rejected: it is not JSON in UTF-8" in log
        assert "Unrecoverable error" not in log
