import errno
import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest
from prometheus_client import values

from plumbline.embedded.child_process import LOCALHOST, free_port
from plumbline.settings import Settings
from plumbline_client.services import Services
from tests.waiting import eventually
from worker.pool.in_flight import InFlightTable
from worker.telemetry import exporter, metrics
from worker.telemetry.exporter import Exporter
from worker.telemetry.metrics import ErrorKind

UNREACHABLE = Services("postgresql://nobody@127.0.0.1:1/none", "redis://127.0.0.1:1/0")


def make_exporter(port: int, in_flight: InFlightTable | None = None) -> Exporter:
    settings = Settings(metrics_port=port, metrics_host=LOCALHOST)
    return Exporter(settings, UNREACHABLE, in_flight or InFlightTable())


@pytest.fixture(autouse=True)
def restored_metrics(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Restore this process's metrics after each test."""
    monkeypatch.setenv(metrics.FOLDER_VARIABLE, "")
    monkeypatch.setattr(values, "ValueClass", values.ValueClass)
    monkeypatch.setattr(metrics, "_counting", metrics.Counting())
    monkeypatch.setattr(exporter.atexit, "register", lambda *_: None)
    yield


@pytest.fixture
def exporters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Exporter]]:
    """The exporters that a test appends are shut down at its end."""
    monkeypatch.setattr(exporter.tempfile, "mkdtemp", lambda **_: str(tmp_path))
    exporters: list[Exporter] = []
    yield exporters
    for each in exporters:
        if each._server is not None:
            each._server.shutdown()
            each._server.server_close()


def scrape(port: int) -> str | None:
    try:
        with urlopen(f"http://{LOCALHOST}:{port}/metrics", timeout=10) as response:
            return str(response.read().decode())
    except OSError:
        return None


def test_the_page_has_the_counts_of_this_process(exporters: list[Exporter]) -> None:
    port = free_port(None)
    exporters.append(make_exporter(port))
    exporters[0].prepare()
    metrics.count_error(ErrorKind.MEMORY)
    exporters[0].start()
    exporters[0].start()
    page = eventually(lambda: scrape(port))
    assert 'plumbline_errors_total{kind="memory"} 1.0' in page
    assert "plumbline_database_up 0.0" in page


def test_a_taken_port_is_logged_once_and_served_when_it_is_free(
    exporters: list[Exporter], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(exporter, "RETRY_PORT_S", 0.02)
    caplog.set_level(logging.INFO)
    with socket.socket() as other:
        other.bind((LOCALHOST, 0))
        other.listen()
        port = other.getsockname()[1]
        exporters.append(make_exporter(port))
        exporters[0].prepare()
        exporters[0].start()
        eventually(lambda: "metrics are not served at" in caplog.text)
    eventually(lambda: "metrics are served at" in caplog.text)
    assert caplog.text.count("metrics are not served at") == 1
    assert "PLUMBLINE_METRICS_PORT" in caplog.text
    assert scrape(port)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.EADDRNOTAVAIL, "cannot"), "PLUMBLINE_METRICS_HOST must be an address"),
        (socket.gaierror(-2, "not known"), "not known; PLUMBLINE_METRICS_HOST must be an address"),
        (PermissionError(errno.EACCES, "denied"), "denied; change the mode or the owner"),
    ],
)
def test_reason_why_the_page_is_not_served_is_not_always_the_port(
    error: OSError, reason: str
) -> None:
    assert reason in exporter._reason(error)


def test_processes_are_named_by_their_pool_index() -> None:
    in_flight = InFlightTable()
    child = os.fork()
    if child == 0:
        in_flight.record(4).claim()
        os._exit(0)
    os.waitpid(child, 0)
    # Without a pool, the parent itself scores.
    in_flight.record(0).claim()
    assert make_exporter(0, in_flight).pids() == {"parent": os.getpid(), "child-4": child}


def test_nothing_is_counted_or_served_without_a_port(
    exporters: list[Exporter], tmp_path: Path
) -> None:
    exporters.append(make_exporter(0))
    exporters[0].prepare()
    exporters[0].start()
    exporters[0].close_in_child()
    assert metrics._counting.metrics is None and list(tmp_path.iterdir()) == []
