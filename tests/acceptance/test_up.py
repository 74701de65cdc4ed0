"""`plumbline up` as a person uses it: started, used from another process, ended by real signals."""

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

from plumbline.embedded.lock import is_held
from plumbline.services import address_file, connected, lock_file
from plumbline.settings import Settings
from plumbline_client import Client
from plumbline_client.errors import ServicesMissing
from tests import command
from tests.command import Running
from tests.leftovers import listens, processes_of
from tests.waiting import eventually

END_TIMEOUT_S = 60.0


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings for a state folder of the test's own, its path long and with a space in it."""
    return Settings(state_dir=tmp_path / "a folder" / ("deep" * 30) / "state", _env_file=None)


@contextmanager
def up(settings: Settings, tmp_path: Path) -> Iterator[tuple[Running, dict[str, Any]]]:
    """`plumbline up --json` that is ready, and the line that says so."""
    with command.running(settings.state_dir, tmp_path, "up", "--json") as running:

        def ready() -> bool:
            assert running.process.poll() is None, "it ended before it was ready"
            return running.stdout.read_text(encoding="utf-8").endswith("\n")

        eventually(ready, 90.0, "it was not ready in time")
        yield running, json.loads(running.stdout.read_text(encoding="utf-8"))


def urls(settings: Settings) -> tuple[str, str]:
    found = connected(settings)
    assert found.database_url is not None and found.broker_url is not None
    return found.database_url.get_secret_value(), found.broker_url.get_secret_value()


def scored(settings: Settings, text: str, key: str) -> str | None:
    with Client.from_settings(settings) as client:
        receipt = client.submit(text, key=key)
        return client.wait([receipt.job_id])[0].label


def assert_nothing_left(settings: Settings, *addresses: str) -> None:
    assert processes_of(settings.state_dir) == []
    assert not [url for url in addresses if listens(url)]
    assert not is_held(lock_file(settings))
    assert not address_file(settings).exists()
    with pytest.raises(ServicesMissing):
        connected(settings)


def worker_process(settings: Settings) -> psutil.Process:
    """The oldest Celery process of the scoring worker, once there is one: its pool's parent."""
    found = eventually(lambda: worker_processes(settings))
    return min(found, key=lambda process: process.info["create_time"])


def worker_processes(settings: Settings) -> list[psutil.Process]:
    return [
        process
        for process in psutil.process_iter(["cmdline", "create_time"])
        if any("scoring-" in part for part in process.info["cmdline"] or [])
        and process.cwd() == str(settings.state_dir / "workers")
    ]


def test_it_scores_for_another_process_and_keeps_its_data(
    settings: Settings, tmp_path: Path
) -> None:
    with up(settings, tmp_path) as (running, told):
        addresses = urls(settings)
        assert scored(settings, "Running late, order me a tea?", "mail-1") == "ham"
        assert told["live_model"].startswith("sms-spam/")
        assert address_file(settings).stat().st_mode & 0o077 == 0
        password = addresses[0].split(":")[2].split("@")[0]
        assert running.end(signal.SIGINT, END_TIMEOUT_S) == 0
        assert password not in running.said()
    assert_nothing_left(settings, *addresses)
    with up(settings, tmp_path) as (running, _):
        assert urls(settings) == addresses
        with Client.from_settings(settings) as client:
            receipt = client.submit("Running late, order me a tea?", key="mail-1")
            result = client.result(receipt.job_id)
        assert not receipt.new
        assert result is not None and result.label == "ham"
        # The first run's, set aside.
        for log in ("logs/worker.log.1", "postgres/server.log.1", "redis/server.log.1"):
            assert (settings.state_dir / log).is_file(), log
        assert running.end(signal.SIGTERM, END_TIMEOUT_S) == 0
    assert_nothing_left(settings, *addresses)


def test_a_killed_one_is_cleaned_up_by_the_next(settings: Settings, tmp_path: Path) -> None:
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
        assert second.stderr.startswith("`plumbline up` runs already")
        assert second.stderr.count("\n") == 1
        with Client.from_settings(settings) as client:
            # Many and long ones, so that the kill comes while they are being scored.
            texts = [f"{i}: " + "we walked on and on " * 400 for i in range(60)]
            ids = [receipt.job_id for receipt in client.submit_many(texts)]
        running.end(signal.SIGKILL, END_TIMEOUT_S)
    assert address_file(settings).exists()
    with pytest.raises(ServicesMissing):
        connected(settings)
    with up(settings, tmp_path) as (running, _):
        assert scored(settings, "Running late, order me a tea?", "mail-2") == "ham"
        addresses = urls(settings)
        with Client.from_settings(settings) as client:
            # None is lost; those that were being scored wait for their lease to run out.
            assert len(client.results(ids=ids, limit=None)) == len(ids)
        assert running.end(signal.SIGINT, END_TIMEOUT_S) == 0
    assert_nothing_left(settings, *addresses)


def test_a_dead_worker_is_replaced_and_a_dead_server_ends_it(
    settings: Settings, tmp_path: Path
) -> None:
    with up(settings, tmp_path) as (running, _):
        addresses = urls(settings)
        first = worker_process(settings)
        first.kill()
        first.wait(END_TIMEOUT_S)
        # The express worker does not wait for the other.
        assert scored(settings, "Running late, order me a tea?", "mail-1") == "ham"
        eventually(lambda: "killed by SIGKILL and starts again" in running.said())
        assert worker_process(settings).pid != first.pid
        assert "The scoring worker was killed by SIGKILL and starts again" in running.said()
        pid_file = settings.state_dir / "postgres" / "data" / "postmaster.pid"
        psutil.Process(int(pid_file.read_text().splitlines()[0])).kill()
        assert running.process.wait(END_TIMEOUT_S) == 1
        said = running.stderr.read_text(encoding="utf-8")
        assert "PostgreSQL was killed by SIGKILL, so everything stops" in said
        assert "Traceback" not in said
    assert_nothing_left(settings, *addresses)


def test_a_second_ctrl_c_does_not_wait_for_the_texts_at_work(
    settings: Settings, tmp_path: Path
) -> None:
    with up(settings, tmp_path) as (running, _):
        addresses = urls(settings)
        with Client.from_settings(settings) as client:
            # Each takes seconds, and a message of them minutes.
            texts = [f"{i}: " + "we walked on and on " * 9_000 for i in range(64)]
            receipts = list(client.submit_many(texts))
            ids = [receipt.job_id for receipt in receipts]
            eventually(
                lambda: any(r.state == "leased" for r in client.results(ids=ids, limit=None)), 30.0
            )
        started = time.monotonic()
        running.process.send_signal(signal.SIGINT)
        eventually(lambda: not address_file(settings).exists(), 30.0)
        assert running.end(signal.SIGINT, END_TIMEOUT_S) == 0
        assert time.monotonic() - started < 20.0
        assert "their texts are scored next time" in running.said()
        assert "64 texts wait in the ledger" in running.said()
    assert_nothing_left(settings, *addresses)
