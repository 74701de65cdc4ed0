"""Express messages overtake a bulk load."""

from __future__ import annotations

from pathlib import Path

from plumbline.broker import queue_depth
from plumbline.queues import BULK_QUEUE, EXPRESS_MAX_TEXTS, SCORE_QUEUE
from plumbline_client import Client
from tests.celery_producer import bare_producer
from tests.waiting import eventually
from tests.workers import start_worker

BULK_MESSAGES = 6
MESSAGE_SIZE = 64


def depths(broker_url: str) -> tuple[int, int]:
    """Return the number of express and of bulk messages."""
    return queue_depth(broker_url, SCORE_QUEUE), queue_depth(broker_url, BULK_QUEUE)


def test_the_queue_depends_on_the_size_of_the_message(database_url: str, broker_url: str) -> None:
    with Client(database_url, broker_url) as client:
        client.submit("one")
        list(client.submit_many(["few"] * EXPRESS_MAX_TEXTS))
        assert depths(broker_url) == (2, 0)
        list(client.submit_many(["many"] * (EXPRESS_MAX_TEXTS + 1)))
        assert depths(broker_url) == (2, 1)


def test_single_texts_are_scored_before_an_earlier_bulk_load(
    database_url: str, broker_url: str, tmp_path: Path
) -> None:
    with Client(database_url, broker_url) as client, bare_producer(broker_url) as producer:
        bulk = [
            receipt.job_id
            for receipt in client.submit_many(
                f"text {n}" for n in range(BULK_MESSAGES * MESSAGE_SIZE)
            )
        ]
        arguments = {"version": 1, "source": "bare", "jobs": [{"text": "a bare message"}]}
        producer.send_task(
            "plumbline.score", kwargs=arguments, queue=BULK_QUEUE, ignore_result=True
        )
        singles = [client.submit(f"single {n}").job_id for n in range(3)]
        assert depths(broker_url) == (3, BULK_MESSAGES + 1)
        with start_worker(database_url, broker_url, tmp_path, concurrency=1):
            last = max(result.finished_at for result in client.wait(singles) if result.finished_at)
            ends = [result.finished_at for result in client.wait(bulk)]
            assert all(end is not None and end > last for end in ends)
            eventually(lambda: [r for r in client.results(source="bare") if r.state == "scored"])


def test_an_express_worker_takes_no_bulk_messages(
    database_url: str, broker_url: str, tmp_path: Path
) -> None:
    queues = f"{SCORE_QUEUE},plumbline.upkeep"
    with (
        Client(database_url, broker_url) as client,
        start_worker(database_url, broker_url, tmp_path, concurrency=1, queues=queues),
    ):
        list(client.submit_many(f"text {n}" for n in range(MESSAGE_SIZE)))
        client.wait([client.submit("single").job_id])
        assert depths(broker_url) == (0, 1)
