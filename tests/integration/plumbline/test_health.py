"""Real workers in each state that `plumbline health` distinguishes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from sqlalchemy import Engine

from plumbline.health import Health, check, check_this_machine
from plumbline_client import Client
from plumbline_client.services import Services
from tests import command, poison
from tests.waiting import eventually
from tests.workers import environment, start_beat, start_worker

STALLED_AFTER_S = 2.0


def test_each_state_is_reported(
    database_url: str,
    broker_url: str,
    engine: Engine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    services = Services(database_url, broker_url)

    def health() -> Health:
        return check(services, STALLED_AFTER_S).health

    gate = tmp_path / "gate"
    monkeypatch.setenv(poison.GATE, str(gate))
    assert health() is Health.NOT_LIVE
    assert check_this_machine(broker_url).health is Health.NOT_LIVE

    def open_gate() -> None:
        eventually(lambda: health() is Health.NOT_READY)
        assert check_this_machine(broker_url).health is Health.HEALTHY, "beat runs here"
        gate.touch()

    with (
        start_beat(database_url, broker_url, tmp_path),
        Client(database_url, broker_url, message_size=2) as client,
        start_worker(
            database_url,
            broker_url,
            tmp_path,
            app="tests.poison_app",
            concurrency=1,
            while_starting=open_gate,
        ) as running,
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
        running.kill()


def test_an_unreachable_server_is_not_live(database_url: str, broker_url: str) -> None:
    no_database = Services("postgresql://me:secret@127.0.0.1:1/none", broker_url)
    report = check(no_database, 60.0)
    assert report.health is Health.NOT_LIVE and "PostgreSQL" in report.reason
    assert "secret" not in report.reason
    no_broker = Services(database_url, "redis://:secret@127.0.0.1:1/0")
    report = check(no_broker, 60.0)
    assert report.health is Health.NOT_LIVE and "Redis" in report.reason
    assert "secret" not in report.reason


def test_a_database_without_tables_is_not_ready(postgres_server_url: str, broker_url: str) -> None:
    assert check(Services(postgres_server_url, broker_url), 60.0).health is Health.NOT_READY
