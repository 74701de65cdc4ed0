"""Which queues real workers read, in which order, and whose configuration decides."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from plumbline.health import Health, check, running_workers
from plumbline_client import Client
from plumbline_client.services import Services
from tests.celery_producer import bare_producer, send
from tests.foreign_environment import FOREIGN
from tests.waiting import eventually
from tests.workers import START_TIMEOUT_S, environment, start_beat, start_worker

ELSEWHERE = "redis://:their-password@127.0.0.1:1/5"


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


def test_the_configuration_of_another_celery_program_is_ignored(
    database_url: str, broker_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "celeryconfig.py").write_text(f"broker_url = '{ELSEWHERE}'")
    for name, value in FOREIGN.items():
        monkeypatch.setenv(name, value)
    with (
        start_worker(database_url, broker_url, tmp_path, concurrency=1) as worker,
        start_beat(database_url, broker_url, tmp_path) as beat,
        Client(database_url, broker_url) as client,
    ):
        receipt = client.submit("See you at six")
        assert client.wait([receipt.job_id])[0].label == "ham"
        services = Services(database_url, broker_url)
        eventually(lambda: check(services, 60.0).health is Health.HEALTHY)
        assert len(running_workers(broker_url)) == 1
        for process in (worker, beat):
            process.wait_for_log("ignored variables of the environment: BROKER_URL, CELERY_BROKER_")
        # The level of the setting, INFO, although CELERY_WORKER_LOGLEVEL is CRITICAL.
        worker.wait_for_log("INFO/MainProcess] serving sms-spam/")
        logs = worker.log() + beat.log()
    assert "their-password" not in logs and "127.0.0.1:1/" not in logs


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["-A", "worker", "-b", ELSEWHERE, "worker"], "takes no --broker, since the broker is PL"),
        (
            ["-A", "worker", "worker", "-c1", "--", f"broker.url={ELSEWHERE}"],
            "The worker does not start: Celery is configured with another broker than PLUMB",
        ),
        (
            ["-A", "worker", "beat", "--", f"broker.write_url={ELSEWHERE}"],
            "Beat does not start: Celery is configured with another broker than PLUMBLINE_BR",
        ),
    ],
)
def test_another_broker_on_the_command_line_is_refused_in_one_sentence(
    database_url: str, broker_url: str, tmp_path: Path, arguments: list[str], sentence: str
) -> None:
    process = subprocess.run(
        [sys.executable, "-m", "celery", *arguments],
        env=environment(database_url, broker_url, tmp_path),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=START_TIMEOUT_S,
        check=False,
    )
    assert process.returncode == 1
    output = process.stdout + process.stderr
    assert sentence in output, output
    assert "Traceback" not in output and "their-password" not in output
