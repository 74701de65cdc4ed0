from __future__ import annotations

from pathlib import Path

import pytest
import redis

from plumbline import heartbeat
from plumbline.embedded.celery_process import CeleryProcess
from plumbline.embedded.readiness import forget_heartbeats, unready
from plumbline.heartbeat import WorkerStatus

NOWHERE = "redis://127.0.0.1:1/0"


@pytest.fixture
def processes(tmp_path: Path) -> list[CeleryProcess]:
    """Two workers, then beat. None of them runs."""
    log = tmp_path / "log"
    return [
        CeleryProcess(str(node), [], log, tmp_path, {}, node)
        for node in ("scoring-7@here", "reports-7@here", None)
    ]


def send(broker_url: str, status: WorkerStatus, name: str) -> None:
    with redis.Redis.from_url(broker_url) as connection:
        heartbeat.send(connection, status, name)


def test_a_process_is_ready_once_its_heartbeat_says_so(
    broker_url: str, processes: list[CeleryProcess]
) -> None:
    scoring, _, beat = processes
    assert unready(broker_url, processes) == processes
    send(broker_url, WorkerStatus.LOADING, "scoring-7@here")
    send(broker_url, WorkerStatus.OTHER, "reports-7@here")
    # Of another `plumbline up`, which uses the same Redis.
    send(broker_url, WorkerStatus.SCORING, "scoring-8@here")
    assert unready(broker_url, processes) == [scoring, beat]
    # Both statuses of one second would be equally new.
    forget_heartbeats(broker_url, [scoring])
    send(broker_url, WorkerStatus.SCORING, "scoring-7@here")
    send(broker_url, WorkerStatus.BEAT, "beat")
    assert unready(broker_url, processes) == []
    assert unready(NOWHERE, processes) == processes


def test_a_heartbeat_of_a_killed_run_makes_no_process_ready(
    broker_url: str, processes: list[CeleryProcess]
) -> None:
    send(broker_url, WorkerStatus.SCORING, "scoring-7@here")
    send(broker_url, WorkerStatus.SCORING, "scoring-8@here")
    forget_heartbeats(broker_url, processes)
    assert unready(broker_url, processes) == processes
    with redis.Redis.from_url(broker_url) as connection:
        assert [sender.name for sender in heartbeat.recent(connection)] == ["scoring-8@here"]


def test_a_heartbeat_of_another_machine_makes_no_process_ready(
    broker_url: str, processes: list[CeleryProcess], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(heartbeat, "machine_name", lambda: "elsewhere")
        send(broker_url, WorkerStatus.BEAT, "beat")
    forget_heartbeats(broker_url, processes)
    assert unready(broker_url, processes) == processes
    with redis.Redis.from_url(broker_url) as connection:
        assert len(heartbeat.recent(connection)) == 1
