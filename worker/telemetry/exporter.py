"""The /metrics page of this worker and its children, served by a thread of the parent.

An error here never prevents a worker from starting or scoring. If the port is taken, the exporter
logs it once and continues to try: the owner may be the worker that this one replaces.
"""

from __future__ import annotations

import atexit
import errno
import logging
import os
import shutil
import socket
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector

from plumbline.settings import Settings
from plumbline.system_errors import cause_and_cure
from plumbline_client.services import Services
from worker.pool.in_flight import InFlightTable
from worker.telemetry import metrics
from worker.telemetry.gpu import GpuCollector
from worker.telemetry.ledger_metrics import LedgerCollector, SeriesLimits
from worker.telemetry.metrics_server import serve_metrics
from worker.telemetry.process_usage import Pids, UsageCollector

log = logging.getLogger(__name__)
RETRY_PORT_S = 5.0


class Exporter:
    """Call `prepare` before the fork and `start` once the children are running."""

    def __init__(self, settings: Settings, services: Services, in_flight: InFlightTable) -> None:
        self._settings = settings
        self._services = services
        self._in_flight = in_flight
        self._folder: Path | None = None
        self._server: WSGIServer | None = None
        self._started = False
        self._failure: OSError | None = None

    def prepare(self) -> None:
        """Begin to count if a port is configured. This process deletes the folder when it ends."""
        if not self._settings.metrics_port:
            return
        try:
            self._folder = Path(tempfile.mkdtemp(prefix="plumbline-metrics-"))
            atexit.register(_remove, self._folder, os.getpid())
            metrics.begin_counting(self._folder)
        except OSError as error:
            # Logged once logging is set up.
            self._failure, self._folder = error, None

    def start(self) -> None:
        """Serve until the process ends. A second call does nothing."""
        if self._failure is not None:
            reason = cause_and_cure(self._failure)
            log.warning("there are no metrics, because no file can be written: %s", reason)
            self._failure = None
        if self._folder is None or self._started:
            return
        self._started = True
        registry = make_registry(
            self._services.database_url,
            self._folder,
            self.pids,
            SeriesLimits(self._settings.max_sources, self._settings.drift_valid_s),
        )
        threading.Thread(target=self._run, args=[registry], name="metrics", daemon=True).start()

    def close_in_child(self) -> None:
        """Close the inherited socket after a fork: the port must be free once the parent ended."""
        if self._server is not None:
            self._server.socket.close()

    def pids(self) -> Mapping[str, int]:
        """Return the parent and the children, by name.

        Without a pool (`-P solo`) the parent itself owns the only record.
        """
        owners = self._in_flight.pids().items()
        children = {f"child-{index}": pid for index, pid in owners if pid != os.getpid()}
        return {"parent": os.getpid()} | children

    def _run(self, registry: CollectorRegistry) -> None:
        host, port = self._settings.metrics_host, self._settings.metrics_port
        pause = threading.Event()
        warned = False
        while self._server is None:
            try:
                self._server = serve_metrics(host, port, registry)
            except OSError as error:
                if not warned:
                    log.warning(
                        "metrics are not served at http://%s:%d: %s", host, port, _reason(error)
                    )
                warned = True
                pause.wait(RETRY_PORT_S)
        log.info("metrics are served at http://%s:%d/metrics", host, port)


def make_registry(
    database_url: str, folder: Path, pids: Pids, limits: SeriesLimits
) -> CollectorRegistry:
    """Return a registry with everything that a scrape returns."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry, str(folder))  # type: ignore[no-untyped-call]
    registry.register(UsageCollector(pids))
    registry.register(GpuCollector())
    registry.register(LedgerCollector(database_url, limits))
    return registry


def _reason(error: OSError) -> str:
    """Return why the address cannot be served, and what to do."""
    if error.errno == errno.EADDRINUSE:
        return (
            f"{error.strerror}; give each worker on a machine a PLUMBLINE_METRICS_PORT of its own"
        )
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return f"{error.strerror}; PLUMBLINE_METRICS_HOST must be an address of this machine"
    return cause_and_cure(error)


def _remove(folder: Path, owner: int) -> None:
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)
