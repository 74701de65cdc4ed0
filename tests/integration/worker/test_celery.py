"""Which queues real workers read, and in which order."""

from __future__ import annotations

from pathlib import Path

from plumbline_client import Client
from tests.celery_producer import bare_producer, send
from tests.workers import start_worker


def test_a_sweep_does_not_wait_behind_texts(
    database_url: str, broker_url: str, tmp_path: Path
) -> None:
    with bare_producer(broker_url) as producer:
        for n in range(5):
            send(producer, {"version": 1, "jobs": [{"text": f"text {n}"}]})
        for _ in range(2):
            producer.send_task("plumbline.sweep", queue="plumbline.upkeep")
    with start_worker(
        database_url, broker_url, tmp_path, concurrency=1, settings={"log_level": "DEBUG"}
    ) as worker:
        worker.wait_for_log(" received", times=7)
        received = [
            line.partition("Task ")[2].partition("[")[0]
            for line in worker.log().splitlines()
            if line.endswith(" received")
        ]
    assert received == ["plumbline.sweep"] * 2 + ["plumbline.score"] * 5


def test_a_report_worker_takes_no_texts(database_url: str, broker_url: str, tmp_path: Path) -> None:
    with (
        start_worker(
            database_url,
            broker_url,
            tmp_path,
            queues="plumbline.upkeep,plumbline.reports",
            settings={"log_level": "DEBUG"},
        ) as worker,
        Client(database_url, broker_url) as client,
        bare_producer(broker_url) as producer,
    ):
        receipt = client.submit("nobody scores me")
        producer.send_task("plumbline.sweep", queue="plumbline.upkeep")
        worker.wait_for_log("Task plumbline.sweep")
        assert client.result(receipt.job_id).state == "queued"  # type: ignore[union-attr]
        assert "plumbline.score[" not in worker.log()
