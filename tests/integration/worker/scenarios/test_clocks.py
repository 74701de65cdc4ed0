"""Workers and beat on machines whose clocks are wrong, or are set while they run."""

from __future__ import annotations

import time
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import redis
from celery import Celery
from sqlalchemy import Engine, text

from plumbline.queues import KEY_PREFIX, LABEL_TASK, REPORT_QUEUE, SCORE_QUEUE, UPKEEP_QUEUE
from plumbline_client import Client
from plumbline_client.identity import keyed_id
from storage.jobs.claim import DEADLINE_PASSED
from tests.celery_producer import bare_producer, send
from tests.skewed_clock import SkewedClock
from tests.waiting import eventually
from tests.workers import start_beat, start_worker

HOUR_S = 3_600.0
SETTINGS = {"sweep_every_s": 0.3, "drift_every_s": 1, "quality_every_s": 1, "alert_every_s": 1}
# Behind by little, far ahead, right, far behind.
BEAT_CLOCK = SkewedClock(-8.0, ((4.0, HOUR_S), (6.0, 0.0), (8.0, -HOUR_S)))
WORKER_CLOCK = SkewedClock(HOUR_S, ((12.0, -HOUR_S),))

LOSE = text("""
INSERT INTO plumbline.jobs
    (id, source, text, text_sha256, state, attempts, fence, published_at, started_at, lease_until)
VALUES (:id, 'lost', 'hello', '', 'leased', 1, 1, now(), now(), now())
""")


def lose_job(engine: Engine) -> uuid.UUID:
    """Add a job whose worker died; only a sweep ends its lease."""
    job_id = uuid.uuid4()
    with engine.begin() as connection:
        connection.execute(LOSE, {"id": job_id})
    return job_id


def check_expiring_messages(client: Client, engine: Engine, producer: Celery) -> None:
    """Send messages with Celery's `expires`: PostgreSQL decides, and every text ends in a row."""

    def send_text(key: str, minutes: float) -> uuid.UUID:
        arguments = {"version": 1, "source": "bare", "jobs": [{"text": "hello", "key": key}]}
        send(producer, arguments, expires=datetime.now(UTC) + timedelta(minutes=minutes))
        return keyed_id("bare", key)

    late, early = send_text("late", -10), send_text("early", 10)
    known = client.submit("hello").job_id
    label = {"job_id": str(known), "label": "1", "by": "ann"}
    producer.send_task(
        LABEL_TASK,
        kwargs={"version": 1, "labels": [label]},
        queue=SCORE_QUEUE,
        expires=datetime.now(UTC) - timedelta(minutes=10),
    )
    eventually(lambda: len(client.results(ids=[late, early])) == 2)
    results = {result.job_id: result for result in client.wait([late, early, known])}
    assert (results[late].state, results[late].error) == ("expired", DEADLINE_PASSED)
    assert results[early].state == results[known].state == "scored"
    eventually(lambda: count_labels(engine) == 1)


def count_labels(engine: Engine) -> int:
    with engine.connect() as connection:
        count: int = connection.execute(text("SELECT count(*) FROM plumbline.labels")).scalar_one()
        return count


def test_leases_end_whatever_the_clocks_of_worker_and_beat_show(
    database_url: str, broker_url: str, engine: Engine, tmp_path: Path
) -> None:
    with (
        Client(database_url, broker_url) as client,
        start_worker(
            database_url, broker_url, tmp_path, concurrency=1, clock=WORKER_CLOCK
        ) as worker,
        redis.Redis.from_url(broker_url) as keys,
        start_beat(database_url, broker_url, tmp_path, settings=SETTINGS, clock=BEAT_CLOCK) as beat,
        bare_producer(broker_url) as producer,
    ):
        check_expiring_messages(client, engine, producer)
        changes_end = time.monotonic() + BEAT_CLOCK.later[-1][0]
        last = False
        while not last:
            last = time.monotonic() > changes_end
            (result,) = client.wait([lose_job(engine)])
            assert (result.state, result.error) == ("scored", None)
        assert "Discarding revoked task" not in worker.log()
        for log in (worker, beat):
            log.wait_for_log("this machine's clock is ")
        # No worker reads this queue: one message each of drift, quality and alerts waits in it.
        eventually(lambda: keys.llen(KEY_PREFIX + REPORT_QUEUE) == 3)
        assert keys.llen(KEY_PREFIX + UPKEEP_QUEUE) <= 1
        with engine.connect() as connection:
            begun = text(
                "SELECT task, every_s FROM plumbline.periodic_tasks WHERE began_at <= now()"
            )
            assert connection.execute(begun).all() == [("plumbline.sweep", 0.3)]
