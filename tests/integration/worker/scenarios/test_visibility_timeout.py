"""Bare messages that a dead machine had fetched return after the visibility timeout."""

from __future__ import annotations

import json
import time
from pathlib import Path

import redis
from celery import Celery
from sqlalchemy import Engine, text

from plumbline.celery_config import VISIBILITY_TIMEOUT_S, broker_config
from plumbline.queues import KEY_PREFIX, SCORE_QUEUE, SCORE_TASK
from plumbline_client import Client
from tests.waiting import eventually
from tests.workers import start_worker

UNACKED = KEY_PREFIX + "unacked"


def record_unacknowledged(producer: Celery, keys: redis.Redis, key: str, ago_s: float) -> None:
    """Send a text, and record it as kombu records a message that was fetched `ago_s` ago."""
    arguments = {"version": 1, "source": "bare", "jobs": [{"text": "See you at six", "key": key}]}
    producer.send_task(SCORE_TASK, kwargs=arguments, queue=SCORE_QUEUE)
    message = json.loads(keys.rpop(KEY_PREFIX + SCORE_QUEUE))  # type: ignore[arg-type]
    tag = message["properties"]["delivery_tag"]
    keys.hset(UNACKED, tag, json.dumps([message, SCORE_QUEUE, SCORE_QUEUE]))
    keys.zadd(UNACKED + "_index", {tag: time.time() - ago_s})


def test_messages_of_a_dead_machine_return_after_the_visibility_timeout(
    database_url: str, broker_url: str, engine: Engine, tmp_path: Path
) -> None:
    producer = Celery("producer", set_as_current=False)
    producer.conf.update(broker_config(broker_url))
    with producer, redis.Redis.from_url(broker_url) as keys:
        record_unacknowledged(producer, keys, "overdue", VISIBILITY_TIMEOUT_S + 1)
        record_unacknowledged(producer, keys, "not yet due", VISIBILITY_TIMEOUT_S - 120)
        record_unacknowledged(producer, keys, "soon due", VISIBILITY_TIMEOUT_S - 20)
        with (
            start_worker(database_url, broker_url, tmp_path, concurrency=1),
            Client(database_url, broker_url) as client,
        ):
            (result,) = eventually(lambda: client.results(source="bare", state="scored"))
            assert (result.key, result.attempts) == ("overdue", 1)
            # The running worker finds the next one at one of its next checks, ten seconds apart.
            eventually(lambda: len(client.results(source="bare", state="scored")) == 2, 60.0)
        assert keys.hlen(UNACKED) == 1
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM plumbline.jobs")).scalar_one() == 2
