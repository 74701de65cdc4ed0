import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest
from prometheus_client import values
from pydantic import SecretStr

from plumbline.embedded.child import LOCALHOST, choose_port
from plumbline.settings import Settings
from tests.waiting import eventually
from worker.pool.in_flight import InFlightTable
from worker.telemetry import exporter, metrics
from worker.telemetry.exporter import Exporter
from worker.telemetry.metrics import ErrorKind


def settings(port: int) -> Settings:
    nowhere = SecretStr("postgresql://nobody@127.0.0.1:1/none")
    return Settings(metrics_port=port, metrics_host=LOCALHOST, database_url=nowhere)


@pytest.fixture(autouse=True)
def uncounted(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Metrics are a process's own: put back what was there before."""
    monkeypatch.setenv(metrics.FOLDER_VARIABLE, "")
    monkeypatch.setattr(values, "ValueClass", values.ValueClass)
    monkeypatch.setattr(metrics, "_counts", None)
    monkeypatch.setattr(metrics, "_place", "parent")
    monkeypatch.setattr(exporter.atexit, "register", lambda *_: None)
    yield


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Exporter]]:
    monkeypatch.setattr(exporter.tempfile, "mkdtemp", lambda **_: str(tmp_path))
    found: list[Exporter] = []
    yield found
    for each in found:
        if each._server is not None:
            each._server.shutdown()
            each._server.server_close()


def scraped(port: int) -> str | None:
    try:
        with urlopen(f"http://{LOCALHOST}:{port}/metrics", timeout=10) as answer:
            return str(answer.read().decode())
    except OSError:
        return None


def test_it_serves_what_is_counted_here(made: list[Exporter]) -> None:
    port = choose_port(None)
    made.append(Exporter(settings(port), InFlightTable()))
    made[0].prepare()
    metrics.error(ErrorKind.MEMORY)
    made[0].start()
    made[0].start()
    page = eventually(lambda: scraped(port))
    assert 'plumbline_errors_total{kind="memory"} 1.0' in page
    assert "plumbline_database_up 0.0" in page


def test_a_port_that_is_taken_is_one_sentence_and_asked_for_again(
    made: list[Exporter], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(exporter, "ASK_AGAIN_S", 0.02)
    caplog.set_level(logging.INFO)
    with socket.socket() as other:
        other.bind((LOCALHOST, 0))
        other.listen()
        port = other.getsockname()[1]
        made.append(Exporter(settings(port), InFlightTable()))
        made[0].prepare()
        made[0].start()
        eventually(lambda: "no metrics are served until" in caplog.text)
    eventually(lambda: "metrics are served at" in caplog.text)
    assert caplog.text.count("no metrics are served until") == 1
    assert "PLUMBLINE_METRICS_PORT" in caplog.text
    assert scraped(port)


def test_processes_are_named_by_their_place() -> None:
    slate = InFlightTable()
    child = os.fork()
    if child == 0:
        slate.slot(4).take()
        os._exit(0)
    os.waitpid(child, 0)
    # As without a pool, where the parent scores.
    slate.slot(0).take()
    assert Exporter(settings(0), slate).pids() == {"parent": os.getpid(), "child-4": child}


def test_without_a_port_there_is_nothing(made: list[Exporter], tmp_path: Path) -> None:
    made.append(Exporter(settings(0), InFlightTable()))
    made[0].prepare()
    made[0].start()
    made[0].leave()
    assert metrics._counts is None and list(tmp_path.iterdir()) == []
