"""Alive, ready and getting on, told apart on real workers in each of those states."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import redis
from sqlalchemy import Engine

from plumbline import heartbeat
from plumbline.health import Health, ask_redis, examine, examine_here
from plumbline.heartbeat import WorkerStatus
from plumbline.settings import Settings
from plumbline_client import Client
from tests import command, poison
from tests.waiting import eventually
from tests.workers import beat, environment, worker

STALLED_AFTER_S = 2.0


def test_each_state_is_told_apart(
    database_url: str,
    broker_url: str,
    engine: Engine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def health() -> Health:
        return examine(database_url, broker_url, STALLED_AFTER_S).health

    gate = tmp_path / "gate"
    monkeypatch.setenv(poison.GATE, str(gate))
    assert health() is Health.NOT_LIVE
    assert examine_here(broker_url).health is Health.NOT_LIVE

    def open_gate() -> None:
        eventually(lambda: health() is Health.NOT_READY)
        assert examine_here(broker_url).health is Health.HEALTHY, "beat is here, and alive"
        gate.touch()

    with (
        beat(database_url, broker_url, tmp_path),
        Client(database_url, broker_url, settings=Settings(message_size=2)) as client,
        worker(
            database_url,
            broker_url,
            tmp_path,
            app="tests.poison_app",
            concurrency=1,
            while_starting=open_gate,
        ) as found,
    ):
        eventually(lambda: health() is Health.HEALTHY)
        list(client.submit_many([f"{poison.SLOW}60", f"{poison.SLOW}60", "waits", "waits"]))
        eventually(lambda: health() is Health.STUCK)
        printed = subprocess.run(
            [command.PLUMBLINE, "health", "--json", "--stalled-after", "2"],
            env=environment(database_url, broker_url, tmp_path),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert printed.returncode == 5, printed
        assert '"health": "stuck", "live": true, "ready": true, "progressing": false' in (
            printed.stdout
        )
        found.kill()


def test_a_server_that_is_away_is_not_live(database_url: str, broker_url: str) -> None:
    away = examine("postgresql://me:secret@127.0.0.1:1/none", broker_url, 60.0)
    assert away.health is Health.NOT_LIVE and "PostgreSQL" in away.reason
    assert "secret" not in away.reason
    away = examine(database_url, "redis://:secret@127.0.0.1:1/0", 60.0)
    assert away.health is Health.NOT_LIVE and "Redis" in away.reason
    assert "secret" not in away.reason


def test_without_tables_it_is_not_ready(postgres_server_url: str, broker_url: str) -> None:
    assert examine(postgres_server_url, broker_url, 60.0).health is Health.NOT_READY


def test_old_signs_count_for_nothing_and_the_newest_of_a_process_counts(broker_url: str) -> None:
    with redis.Redis.from_url(broker_url) as connection:
        heartbeat.sign(connection, WorkerStatus.LOADING, "w")
        connection.zincrby(heartbeat.KEY, -5, f"loading {heartbeat.machine()} w")
        heartbeat.sign(connection, WorkerStatus.SCORING, "w")
        assert [sign.able for sign in ask_redis(broker_url)] == [WorkerStatus.SCORING]
        connection.zincrby(heartbeat.KEY, -60, f"scoring {heartbeat.machine()} w")
        connection.zincrby(heartbeat.KEY, -60, f"loading {heartbeat.machine()} w")
        assert ask_redis(broker_url) == []
