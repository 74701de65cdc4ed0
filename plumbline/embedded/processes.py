"""The Celery processes of `plumbline up` and their environment."""

from __future__ import annotations

import os
import signal
import socket
import sys
from dataclasses import dataclass
from importlib.util import find_spec

from pydantic import SecretStr

from plumbline import celery_environment
from plumbline.embedded.celery_process import CeleryProcess
from plumbline.embedded.state_dir import logs_dir, workers_dir
from plumbline.queues import REPORT_QUEUE, SCORE_QUEUE, UPKEEP_QUEUE
from plumbline.services import Services
from plumbline.settings import PREFIX, Settings


def celery_processes(settings: Settings, services: Services) -> list[CeleryProcess]:
    """Return the scoring workers, beat and, if Evidently is installed, the report worker."""
    builder = _Builder(settings, child_environment(settings, services))
    processes = [
        builder.worker(
            "The scoring worker", "scoring", "worker.log", f"--concurrency={settings.concurrency}"
        ),
        # Its only process never receives a bulk message, so that single texts do not wait for one.
        builder.worker(
            "The express worker",
            "express",
            "express.log",
            f"--queues={UPKEEP_QUEUE},{SCORE_QUEUE}",
            "--concurrency=1",
        ),
        builder.beat(),
    ]
    if reports_available():
        processes.append(_report_worker(builder))
    if settings.metrics_port:
        # One port per worker, since each serves its own metrics.
        workers = [process for process in processes if process.node is not None]
        for port, worker in enumerate(workers, settings.metrics_port):
            worker.environment = builder.environment | {f"{PREFIX}METRICS_PORT": str(port)}
    return processes


def reports_available() -> bool:
    """Return whether this installation can make drift reports, which need Evidently."""
    return find_spec("evidently") is not None


def child_environment(settings: Settings, services: Services) -> dict[str, str]:
    """Return this process's environment with all settings and both URLs, and only these.

    What configures Celery is left out.
    """
    environment = {
        name: value
        for name, value in celery_environment.cleaned(os.environ).items()
        if not name.startswith(PREFIX)
    }
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if value is not None:
            plain = value.get_secret_value() if isinstance(value, SecretStr) else value
            environment[PREFIX + name.upper()] = str(plain)
    environment[f"{PREFIX}DATABASE_URL"] = services.database_url
    environment[f"{PREFIX}BROKER_URL"] = services.broker_url
    return environment


def _report_worker(builder: _Builder) -> CeleryProcess:
    worker = builder.worker(
        "The report worker",
        "reports",
        "reports.log",
        f"--queues={REPORT_QUEUE}",
        "--concurrency=1",
        # With a new child per task, Evidently's 330 MB are freed after each report.
        "--max-tasks-per-child=1",
    )
    # A report takes minutes and is made again every hour, so the shutdown does not wait for it.
    worker.stop_signal = signal.SIGQUIT
    return worker


@dataclass(frozen=True, slots=True)
class _Builder:
    """What the processes have in common."""

    settings: Settings
    environment: dict[str, str]

    def worker(self, name: str, role: str, log: str, *options: str) -> CeleryProcess:
        # Several `plumbline up` may share one Redis, where node names must be unique.
        node = f"{role}-{os.getpid()}@{socket.gethostname()}"
        options = (*options, "--hostname", node)
        return self._process(name, log, "worker", *options, node=node)

    def beat(self) -> CeleryProcess:
        return self._process("Beat", "beat.log", "beat", "--pidfile=")

    def _process(
        self, name: str, log: str, *arguments: str, node: str | None = None
    ) -> CeleryProcess:
        celery = [sys.executable, "-m", "celery", "-A", "worker"]
        return CeleryProcess(
            name,
            [*celery, *arguments],
            logs_dir(self.settings) / log,
            workers_dir(self.settings),
            self.environment,
            node,
        )
