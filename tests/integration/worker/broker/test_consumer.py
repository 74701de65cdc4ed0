"""Messages that a real worker's consumer rejects: each is one log line, and no process dies."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import redis
from sqlalchemy import Engine

from plumbline.queues import KEY_PREFIX, SCORE_QUEUE
from plumbline_client import Client
from tests.celery_producer import Envelope, envelope
from tests.ledger import count_jobs
from tests.workers import start_worker

BODY = json.dumps([[], {"version": 1, "jobs": [{"text": "one"}]}, {}]).encode()


def without_task(message: Envelope) -> Envelope:
    message["headers"].pop("task")
    return message


def with_content_type(message: Envelope, content_type: str) -> Envelope:
    return message | {"content-type": content_type}


def test_each_rejected_message_is_logged_once_with_its_id_and_reason(
    database_url: str, broker_url: str, engine: Engine, tmp_path: Path
) -> None:
    ids = [str(uuid.uuid4()) for _ in range(4)]
    messages = [
        envelope(ids[0], BODY, task="plumbline.unknown"),
        without_task(envelope(ids[1], BODY)),
        with_content_type(envelope(ids[2], BODY), "application/x-python-serialize"),
        envelope(ids[3], b"no JSON"),
    ]
    reasons = [
        "there is no task with that name",
        "it is not a Celery message",
        "content-type: only application/json is accepted",
        "body: it is not the JSON of a Celery message",
    ]
    with (
        start_worker(database_url, broker_url, tmp_path, concurrency=1) as worker,
        redis.Redis.from_url(broker_url) as keys,
        Client(database_url, broker_url) as client,
    ):
        children = worker.children()
        for task_id, message, reason in zip(ids, messages, reasons, strict=True):
            keys.lpush(KEY_PREFIX + SCORE_QUEUE, json.dumps(message))
            worker.wait_for_log(f"message {task_id} is rejected: {reason}")
        assert count_jobs(engine) == 0
        client.wait([client.submit("See you at six").job_id])
        log = worker.log()
        assert [log.count(f"message {task_id} is rejected") for task_id in ids] == [1] * 4
        assert "Traceback" not in log
        assert worker.children() == children
        assert keys.hlen(KEY_PREFIX + "unacked") == 0
