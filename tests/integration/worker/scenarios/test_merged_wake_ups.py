"""A backlog of single texts, whose messages a worker merges."""

from __future__ import annotations

import re
from pathlib import Path

import redis

from plumbline.broker import queue_depth
from plumbline.queues import KEY_PREFIX, SCORE_QUEUE
from plumbline_client import Client
from tests.celery_producer import bare_producer
from tests.waiting import eventually
from tests.workers import start_worker

TEXTS = 120
BARE_EVERY = 30
SCORED = re.compile(r"message \S+: (\d+) scored, 0 rejected, 0 failed, 0 done elsewhere")


def test_single_texts_that_wait_share_messages_and_each_is_scored_once(
    database_url: str, broker_url: str, tmp_path: Path
) -> None:
    with Client(database_url, broker_url) as client, bare_producer(broker_url) as producer:
        singles = []
        for number in range(TEXTS):
            singles.append(client.submit(f"single {number}").job_id)
            if number % BARE_EVERY == 0:
                arguments = {"version": 1, "source": "bare", "jobs": [{"text": f"bare {number}"}]}
                producer.send_task(
                    "plumbline.score", kwargs=arguments, queue=SCORE_QUEUE, ignore_result=True
                )
        with start_worker(
            database_url, broker_url, tmp_path, concurrency=1, app="tests.merging_app"
        ) as worker:
            assert {result.state for result in client.wait(singles)} == {"scored"}
            eventually(
                lambda: len(client.results(source="bare", state="scored")) == TEXTS // BARE_EVERY
            )
            # The line follows the commit.
            eventually(lambda: sum(scored(worker.log())) == TEXTS + TEXTS // BARE_EVERY)
            assert max(scored(worker.log())) > 1
    assert queue_depth(broker_url, SCORE_QUEUE) == 0
    with redis.Redis.from_url(broker_url) as connection:
        assert connection.hlen(KEY_PREFIX + "unacked") == 0


def scored(log: str) -> list[int]:
    """Return how many texts each message had scored."""
    return [int(count) for count in SCORED.findall(log)]
