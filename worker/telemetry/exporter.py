"""/metrics of this worker, its children included, served from a thread of the parent.

Nothing here may keep a worker from starting or scoring: where the port is taken we say so once and
go on asking for it, since who has it may be the worker that ours replaces.
"""

from __future__ import annotations

import atexit
import logging
import os
import shutil
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.multiprocess import MultiProcessCollector

from plumbline.settings import Settings
from worker.pool.in_flight import InFlightTable
from worker.telemetry import metrics
from worker.telemetry.gpu import GpuCollector
from worker.telemetry.ledger_metrics import LedgerCollector
from worker.telemetry.process_usage import Pids, UsageCollector

log = logging.getLogger(__name__)
ASK_AGAIN_S = 5.0


class Exporter:
    """`prepare` it before the fork, `start` it when the children are there."""

    def __init__(self, settings: Settings, slate: InFlightTable) -> None:
        self._settings = settings
        self._slate = slate
        self._folder: Path | None = None
        self._server: WSGIServer | None = None
        self._started = False

    def prepare(self) -> None:
        """Count from now on, where a port is set. The folder goes with this process."""
        if not self._settings.metrics_port:
            return
        self._folder = Path(tempfile.mkdtemp(prefix="plumbline-metrics-"))
        atexit.register(_remove, self._folder, os.getpid())
        metrics.begin(self._folder)

    def start(self) -> None:
        """Serve until the process ends; said again, it changes nothing."""
        if self._folder is None or self._started:
            return
        self._started = True
        registry = registry_of(self._settings, self._folder, self.pids)
        threading.Thread(target=self._run, args=[registry], name="metrics", daemon=True).start()

    def leave(self) -> None:
        """After a fork: the port is the parent's, and must be free when that is gone."""
        if self._server is not None:
            self._server.socket.close()

    def pids(self) -> Mapping[str, int]:
        """The parent and the children that took their place, by name.

        Without a pool (`-P solo`) the parent took the only place itself.
        """
        places = self._slate.pids().items()
        children = {f"child-{place}": pid for place, pid in places if pid != os.getpid()}
        return {"parent": os.getpid()} | children

    def _run(self, registry: CollectorRegistry) -> None:
        host, port = self._settings.metrics_host, self._settings.metrics_port
        pause = threading.Event()
        told = False
        while self._server is None:
            try:
                self._server, _ = start_http_server(port, host, registry)
            except OSError as error:
                if not told:
                    log.warning(
                        "no metrics are served until http://%s:%d is free: %s; give each worker of "
                        "a machine a PLUMBLINE_METRICS_PORT of its own",
                        host, port, error.strerror,
                    )  # fmt: skip
                told = True
                pause.wait(ASK_AGAIN_S)
        log.info("metrics are served at http://%s:%d/metrics", host, port)


def registry_of(settings: Settings, folder: Path, pids: Pids) -> CollectorRegistry:
    """Everything a scrape is told."""
    assert settings.database_url is not None
    registry = CollectorRegistry()
    MultiProcessCollector(registry, str(folder))  # type: ignore[no-untyped-call]
    registry.register(UsageCollector(pids))
    registry.register(GpuCollector())
    registry.register(LedgerCollector(settings.database_url.get_secret_value()))
    return registry


def _remove(folder: Path, owner: int) -> None:
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)
