"""`plumbline up` as a person uses it: started, used by another process, stopped by real signals."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis

from plumbline.health import Health, check
from plumbline.services import Services, address_file, connected, lock_file, open_client
from plumbline.settings import Settings
from plumbline_client import Client
from plumbline_client.errors import ServicesMissing
from plumbline_client.services import is_locked
from plumbline_client.states import JobState
from tests import command
from tests.command import Command, run_command
from tests.foreign_environment import FOREIGN, FOREIGN_POSTGRESQL
from tests.leftovers import listens, processes_of
from tests.waiting import eventually

STOP_TIMEOUT_S = 60.0


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings with a state folder whose path is long and has characters that parsers mishandle."""
    awkward = tmp_path / "a folder" / "100%d %(here)s: é\n[b]" / ("deep" * 30)
    return Settings(state_dir=awkward / "state", _env_file=None)


@contextmanager
def up(settings: Settings, tmp_path: Path) -> Iterator[tuple[Command, dict[str, Any]]]:
    """Run `plumbline up --json`; yield it with the line that it prints when it is ready."""
    with run_command(settings.state_dir, tmp_path, "up", "--json") as running:

        def ready() -> bool:
            assert running.process.poll() is None, "it ended before it was ready"
            return running.stdout.read_text(encoding="utf-8").endswith("\n")

        eventually(ready, 90.0, "it was not ready in time")
        yield running, json.loads(running.stdout.read_text(encoding="utf-8"))


def connect_client(settings: Settings) -> Client:
    return open_client(settings, connected(settings))


def score(settings: Settings, text: str, key: str) -> str | None:
    """Submit the text, wait for its score and return its label."""
    with connect_client(settings) as client:
        receipt = client.submit(text, key=key)
        return client.wait([receipt.job_id])[0].label


def assert_nothing_left(settings: Settings, services: Services) -> None:
    assert processes_of(settings.state_dir) == []
    assert not listens(services.database_url)
    assert not listens(services.broker_url)
    assert not is_locked(lock_file(settings))
    assert not address_file(settings).exists()
    with pytest.raises(ServicesMissing):
        connected(settings)


def worker_process(settings: Settings) -> psutil.Process:
    """Wait for the scoring worker and return its oldest process, the parent of its pool."""
    processes = eventually(lambda: worker_processes(settings))
    return min(processes, key=lambda process: process.info["create_time"])


def worker_processes(settings: Settings) -> list[psutil.Process]:
    return [
        process
        for process in psutil.process_iter(["cmdline", "create_time"])
        if any("scoring-" in part for part in process.info["cmdline"] or [])
        and process.cwd() == str(settings.state_dir / "workers")
    ]


def test_up_scores_for_another_process_and_keeps_its_data(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (FOREIGN | FOREIGN_POSTGRESQL).items():
        monkeypatch.setenv(name, value)
    with up(settings, tmp_path) as (running, summary):
        services = connected(settings)
        report = check(services, 60.0)
        assert report.health is Health.HEALTHY, report.reason
        assert score(settings, "Running late, order me a tea?", "mail-1") == "ham"
        assert summary["live_model"].startswith("sms-spam/")
        assert address_file(settings).stat().st_mode & 0o077 == 0
        password = services.database_url.split(":")[2].split("@")[0]
        assert running.stop(signal.SIGINT, STOP_TIMEOUT_S) == 0
        assert password not in running.output()
    assert_nothing_left(settings, services)
    with up(settings, tmp_path) as (running, _):
        assert connected(settings) == services
        with connect_client(settings) as client:
            receipt = client.submit("Running late, order me a tea?", key="mail-1")
            result = client.result(receipt.job_id)
        assert not receipt.new
        assert result is not None and result.label == "ham"
        # The logs of the first run, renamed.
        for log in ("logs/worker.log.1", "postgres/server.log.1", "redis/server.log.1"):
            assert (settings.state_dir / log).is_file(), log
        assert running.stop(signal.SIGTERM, STOP_TIMEOUT_S) == 0
    assert_nothing_left(settings, services)


def test_the_next_up_cleans_up_after_one_that_was_killed(
    settings: Settings, tmp_path: Path
) -> None:
    with up(settings, tmp_path) as (running, _):
        second = subprocess.run(
            [command.PLUMBLINE, "up"],
            env=command.environment(settings.state_dir),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert second.returncode == 1
        assert second.stderr.startswith("`plumbline up` is already running")
        assert second.stderr.count("\n") == 1
        with connect_client(settings) as client:
            # Many long texts, so that the kill comes while they are being scored.
            texts = [f"{i}: " + "we walked on and on " * 400 for i in range(60)]
            ids = [receipt.job_id for receipt in client.submit_many(texts)]
        running.stop(signal.SIGKILL, STOP_TIMEOUT_S)
    assert address_file(settings).exists()
    with pytest.raises(ServicesMissing):
        connected(settings)
    with up(settings, tmp_path) as (running, _):
        assert score(settings, "Running late, order me a tea?", "mail-2") == "ham"
        services = connected(settings)
        with connect_client(settings) as client:
            # None is lost; those that were being scored wait for their lease to expire.
            assert len(client.results(ids=ids, limit=None)) == len(ids)
        assert running.stop(signal.SIGINT, STOP_TIMEOUT_S) == 0
    assert_nothing_left(settings, services)


def test_a_dead_worker_is_restarted_and_a_dead_server_stops_everything(
    settings: Settings, tmp_path: Path
) -> None:
    with up(settings, tmp_path) as (running, _):
        services = connected(settings)
        first = worker_process(settings)
        first.kill()
        first.wait(STOP_TIMEOUT_S)
        # The express worker does not wait for the scoring worker.
        assert score(settings, "Running late, order me a tea?", "mail-1") == "ham"
        restarted = "The scoring worker was killed by SIGKILL and restarts in"
        eventually(lambda: restarted in running.output())
        assert worker_process(settings).pid != first.pid
        pid_file = settings.state_dir / "postgres" / "data" / "postmaster.pid"
        psutil.Process(int(pid_file.read_text().splitlines()[0])).kill()
        assert running.process.wait(STOP_TIMEOUT_S) == 1
        errors = running.stderr.read_text(encoding="utf-8")
        assert "PostgreSQL was killed by SIGKILL, so `plumbline up` stops" in errors
        assert "Traceback" not in errors
    assert_nothing_left(settings, services)


def test_up_waits_for_a_redis_that_answers_with_errors_and_survives_them(
    settings: Settings,
    tmp_path: Path,
    database_url: str,
    broker_url: str,
) -> None:
    urls = {"DATABASE": database_url, "BROKER": broker_url}
    (tmp_path / ".env").write_text("".join(f"PLUMBLINE_{k}_URL={v}\n" for k, v in urls.items()))
    with redis.Redis.from_url(broker_url) as keys:
        keys.replicaof("127.0.0.1", "1")
        try:
            with run_command(settings.state_dir, tmp_path, "up", "--json") as running:
                waits = "Waiting, since Redis at redis://tester:***@127.0.0.1:"

                def notes() -> str:
                    return running.stderr.read_text(encoding="utf-8")

                eventually(lambda: waits in notes() and "READONLY You can't write" in notes(), 60.0)
                keys.replicaof("NO", "ONE")
                eventually(lambda: running.stdout.read_text().endswith("\n"), 90.0, notes())
                keys.replicaof("127.0.0.1", "1")
                worker = worker_process(settings)
                # Its successor waits as well.
                worker.kill()
                log = settings.state_dir / "logs" / "worker.log"
                eventually(lambda: "the worker waits: Redis at " in log.read_text(), 60.0)
                assert running.process.poll() is None
                keys.replicaof("NO", "ONE")
                with Client(database_url, broker_url) as client:
                    job = client.submit("WINNER!! Claim your prize now").job_id
                    assert client.wait([job], timeout_s=90)[0].state == JobState.SCORED
                assert "Traceback" not in log.read_text() and running.process.poll() is None
        finally:
            keys.replicaof("NO", "ONE")


def test_a_second_ctrl_c_does_not_wait_for_the_texts_in_flight(
    settings: Settings, tmp_path: Path
) -> None:
    with up(settings, tmp_path) as (running, _):
        services = connected(settings)
        with connect_client(settings) as client:
            # Each text takes seconds, and a message of them minutes.
            texts = [f"{i}: " + "we walked on and on " * 9_000 for i in range(64)]
            receipts = list(client.submit_many(texts))
            ids = [receipt.job_id for receipt in receipts]

            def leased() -> bool:
                results = client.results(ids=ids, limit=None)
                return any(result.state is JobState.LEASED for result in results)

            eventually(leased, 30.0)
        started = time.monotonic()
        running.process.send_signal(signal.SIGINT)
        eventually(lambda: not address_file(settings).exists(), 30.0)
        assert running.stop(signal.SIGINT, STOP_TIMEOUT_S) == 0
        assert time.monotonic() - started < 20.0
        assert "the next start scores their texts" in running.output()
        assert "64 texts are queued until the next start" in running.output()
    assert_nothing_left(settings, services)
