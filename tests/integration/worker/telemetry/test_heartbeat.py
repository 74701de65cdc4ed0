"""Heartbeats in a real Redis, sent by a process of its own: its import reads the environment."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import redis

from plumbline import heartbeat
from plumbline.heartbeat import Heartbeat, WorkerStatus
from tests.servers import for_worker
from tests.waiting import eventually
from tests.workers import environment

# Prints the status of a worker with these queues before and after a child has claimed a record.
PRINT_STATUS = """
import sys
from worker.celery import app
from worker.pool.process import IN_FLIGHT
from worker.telemetry.heartbeat import worker_status
app.amqp.queues.select(sys.argv[1:])
print(worker_status())
IN_FLIGHT.record(0).claim()
print(worker_status())
"""
# Starts the step of a worker whose consumer is connected to this URL.
START_STEP = """
import sys
from types import SimpleNamespace
from kombu import Connection
from worker.celery import app
from worker.telemetry.heartbeat import HeartbeatStep
options = app.conf.broker_transport_options
consumer = SimpleNamespace(
    connection=Connection(sys.argv[1], transport_options=options),
    hostname="worker@here",
    timer=SimpleNamespace(call_repeatedly=lambda *_: None),
)
HeartbeatStep(consumer).start(consumer)
"""
BEAT = """
import sys
from plumbline import heartbeat
heartbeat.INTERVAL_S = 0.1
from worker.telemetry.heartbeat import start_beat_heartbeat
start_beat_heartbeat()
print("started", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize(
    ("queues", "statuses"),
    [
        (["plumbline.score"], ["loading", "scoring"]),
        (["plumbline.upkeep", "plumbline.bulk"], ["loading", "scoring"]),
        (["plumbline.upkeep", "plumbline.reports"], ["other", "other"]),
    ],
)
def test_a_worker_that_reads_texts_is_loading_until_a_process_has_loaded_the_model(
    database_url: str, broker_url: str, tmp_path: Path, queues: list[str], statuses: list[str]
) -> None:
    process = subprocess.run(
        [sys.executable, "-c", PRINT_STATUS, *queues],
        env=environment(database_url, broker_url, tmp_path),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert process.stdout.split() == statuses, process.stderr


def refused_commands(keys: redis.Redis) -> int:
    """Return how many commands Redis refused for a lack of replicas, those of other tests too."""
    statistics: Any = keys.info("errorstats")
    return int(statistics.get("errorstat_NOREPLICAS", {}).get("count", 0))


def test_beat_sends_heartbeats_until_it_ends_and_survives_their_loss(
    database_url: str, broker_url: str, tmp_path: Path
) -> None:
    expected = [Heartbeat(WorkerStatus.BEAT, heartbeat.machine_name(), "beat")]
    with (
        redis.Redis.from_url(broker_url) as keys,
        subprocess.Popen(
            [sys.executable, "-c", BEAT],
            env=environment(database_url, broker_url, tmp_path),
            cwd=tmp_path,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as beat,
    ):
        assert beat.stdout is not None
        assert beat.stdout.readline() == "started\n"
        assert heartbeat.recent(keys) == expected, "the first is sent at once"
        keys.delete(heartbeat.KEY)
        eventually(lambda: heartbeat.recent(keys) == expected, 10.0)
        # A value of another type is replaced.
        keys.set(heartbeat.KEY, "spoiled")
        eventually(lambda: heartbeat.recent(keys) == expected, 10.0)
        refused_before = refused_commands(keys)
        keys.config_set("min-replicas-to-write", 1)
        try:
            eventually(lambda: refused_commands(keys) > refused_before, 10.0)
        finally:
            keys.config_set("min-replicas-to-write", 0)
        keys.delete(heartbeat.KEY)
        eventually(lambda: heartbeat.recent(keys) == expected, 10.0)
        _, log = beat.communicate("")
    assert beat.returncode == 0
    assert "the heartbeat could not be sent: " in log


def test_a_worker_that_reads_another_redis_sends_no_heartbeat(
    database_url: str, broker_url: str, tmp_path: Path
) -> None:
    def start_step(url: str) -> tuple[list[str], str]:
        process = subprocess.run(
            [sys.executable, "-c", START_STEP, for_worker(url)],
            env=environment(database_url, broker_url, tmp_path),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert process.returncode == 0, process.stderr
        with redis.Redis.from_url(broker_url) as keys:
            return [sender.name for sender in heartbeat.recent(keys)], process.stderr

    other_database = broker_url.removesuffix("/0") + "/5"
    heartbeats, log = start_step(other_database)
    assert heartbeats == []
    assert log == "no heartbeats: this worker reads another Redis than PLUMBLINE_BROKER_URL\n"
    assert start_step(broker_url) == (["worker@here"], "")
