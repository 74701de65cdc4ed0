"""`plumbline up`: start servers, workers and beat in order, supervise them, stop them in order."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Protocol

from plumbline.broker import wait_until_usable
from plumbline.embedded import state_dir
from plumbline.embedded.celery_process import (
    DEATH_WINDOW_S,
    MAX_RESTARTS,
    CeleryProcess,
    restart_delay_s,
)
from plumbline.embedded.child_process import Server, describe_exit, quote_log, stop_orphans
from plumbline.embedded.errors import EmbeddedFailed, EmbeddedMissing
from plumbline.embedded.interrupts import Interrupts
from plumbline.embedded.lock import exclusive_lock
from plumbline.embedded.postgres import postgres_server
from plumbline.embedded.processes import celery_processes, reports_available
from plumbline.embedded.reachability import unusable_server
from plumbline.embedded.readiness import forget_heartbeats, unready
from plumbline.embedded.redis import RedisServer, redis_server
from plumbline.private_files import private_umask
from plumbline.services import Services, address_file, lock_file
from plumbline.settings import Settings
from plumbline_client.states import JobState
from storage.database import open_engine
from storage.patience import call_when_ready
from storage.reports.status import snapshot
from storage.serving import deployments

READY_TIMEOUT_S = 120.0
POLL_S = 0.2
# The delay of the next start of a process that exited while a server could not be used.
RETRY_S = 5.0
# A worker exits within 10 s of SIGTERM, whatever text it is scoring.
DRAIN_TIMEOUT_S = 15.0
LOG_LINES = 3
# Modules of the extra `worker`.
WORKER_MODULES = ("alembic", "ai_edge_litert", "tokenizers")


class ProgressReporter(Protocol):
    """Shows a person what happens."""

    def step(self, name: str) -> None:
        """A step begins; the one before it is done."""

    def done(self) -> None:
        """The last step is done."""

    def cancel(self) -> None:
        """The last step, unless it is done, is not going to be."""

    def note(self, sentence: str) -> None:
        """Something happened during the step."""


@dataclass(slots=True)
class Stack:
    """The running system. `settings` have absolute folders, `services` both URLs.

    Of an embedded Redis, `services` has the URL of the worker's user.
    """

    settings: Settings
    services: Services
    servers: Sequence[Server]
    processes: Sequence[CeleryProcess]
    reporter: ProgressReporter
    interrupts: Interrupts
    live_model: str | None = None

    @property
    def broker_urls(self) -> Mapping[str, str]:
        """The URLs of the users of an embedded Redis by their names."""
        servers = [server for server in self.servers if isinstance(server, RedisServer)]
        return servers[0].urls if servers else {}

    def supervise(self) -> None:
        """Restart Celery processes that died. Call it often, and catch nothing that it raises.

        A restart is safe because of the ledger. Raises EmbeddedFailed if a Celery process dies
        again and again or a server died, since its cause (a full disk, no memory) needs a person.
        An exit while a server cannot be used does not count.
        Raises KeyboardInterrupt after a signal.
        """
        self.check()
        for process in self.processes:
            self._restart_if_dead(process)

    def check(self) -> None:
        """Raise KeyboardInterrupt after a signal, EmbeddedFailed if a server died."""
        self.interrupts.check()
        for server in self.servers:
            status = server.process.poll()
            if status is not None:
                raise EmbeddedFailed(
                    f"{server.name} {describe_exit(status)}, so `plumbline up` stops; "
                    f"{quote_log(server.log, LOG_LINES)}."
                )

    def _restart_if_dead(self, process: CeleryProcess) -> None:
        now = time.monotonic()
        status = process.reap()
        if status is not None:
            died = f"{process.name} {describe_exit(status)}"
            if status > 0 and (reason := unusable_server(self.services)):
                # It does not start without the server, which says nothing about the process.
                process.deaths.pop()
                process.start_at = now + RETRY_S
                self.reporter.note(f"{died} and restarts later, since {reason}")
                return
            delay_s = restart_delay_s(process.deaths, now)
            log = quote_log(process.log, LOG_LINES)
            if delay_s is None:
                raise EmbeddedFailed(
                    f"{died}, more than {MAX_RESTARTS} times in {DEATH_WINDOW_S:g} s, so "
                    f"`plumbline up` stops; {log}."
                )
            process.start_at = now + delay_s
            self.reporter.note(f"{died} and restarts in {delay_s:g} s; {log}.")
        elif process.process is None and now >= process.start_at:
            process.start()


@contextmanager
def stack(settings: Settings, reporter: ProgressReporter) -> Iterator[Stack]:
    """Start the system, wait until it is ready, and stop it at the end of the block.

    A server is started only if its URL is not set. Raises FolderBusy if another `plumbline up` uses
    the same state_dir, EmbeddedMissing, EmbeddedFailed, and KeyboardInterrupt after a signal.
    """
    settings = settings.with_absolute_folders()
    _require_worker_packages()
    state_dir.create(settings)
    busy = (
        f"`plumbline up` is already running with its state in {settings.state_dir}; stop it, or "
        "set PLUMBLINE_STATE_DIR to another folder."
    )
    lock = exclusive_lock(lock_file(settings), busy)
    with private_umask(), Interrupts() as interrupts, lock, ExitStack() as exits:
        processes: list[CeleryProcess] = []
        try:
            _clean_up_killed_run(settings, reporter)
            state_dir.rotate_logs(settings.state_dir)
            interrupts.check()
            services, servers = _start_servers(settings, reporter, exits, interrupts)
            _migrate(services, reporter, interrupts)
            interrupts.check()
            processes += celery_processes(settings, services)
            running = Stack(settings, services, servers, processes, reporter, interrupts)
            exits.callback(_drain, running)
            _start_processes(running)
            with open_engine(services.database_url) as engine, engine.connect() as connection:
                running.live_model = deployments.live_model(connection)
            state_dir.publish_addresses(settings, services, running.broker_urls)
            reporter.done()
            yield running
        finally:
            # A second signal kills the workers, for which `_drain` then need not wait.
            interrupts.begin_shutdown(lambda: _kill(processes))
            reporter.cancel()


def _require_worker_packages() -> None:
    if any(find_spec(module) is None for module in WORKER_MODULES):
        raise EmbeddedMissing(
            "The packages of the workers are not installed: install the extra "
            "plumbline-scoring[monitoring,embedded]."
        )


def _clean_up_killed_run(settings: Settings, reporter: ProgressReporter) -> None:
    """Remove what a killed run left behind. No run is alive, since this process holds the lock."""
    if address_file(settings).exists():
        reporter.step("Cleaning up after a run that was killed")
        address_file(settings).unlink()
    stop_orphans(["celery"], state_dir.workers_dir(settings), signal.SIGTERM)


def _start_servers(
    settings: Settings, reporter: ProgressReporter, exits: ExitStack, interrupts: Interrupts
) -> tuple[Services, list[Server]]:
    """Start a server for each URL that is not set."""
    database_url, broker_url = settings.server_urls
    servers: list[Server] = []
    if database_url is None:
        reporter.step("Starting PostgreSQL")
        server = exits.enter_context(postgres_server(settings.state_dir / "postgres"))
        servers.append(server)
        database_url = server.url
        interrupts.check()
    if broker_url is None:
        reporter.step("Starting Redis")
        redis = exits.enter_context(redis_server(settings.state_dir / "redis"))
        servers.append(redis)
        broker_url = redis.url
        if redis.warning is not None:
            reporter.note(redis.warning)
        interrupts.check()
    return Services(database_url, broker_url), servers


def _migrate(services: Services, reporter: ProgressReporter, interrupts: Interrupts) -> None:
    """Migrate, once a PostgreSQL of somebody else's is ready for it."""
    # Imports Alembic, whose absence `_require_worker_packages` reports.
    from storage import migrate

    def upgrade() -> None:
        with open_engine(services.database_url) as engine:
            migrate.upgrade(engine, report=reporter.note)

    def pause(duration_s: float) -> None:
        interrupts.check()
        time.sleep(duration_s)

    reporter.step("Migrating the database")
    call_when_ready(upgrade, lambda why: reporter.note(f"Waiting, since {why}"), pause)
    wait_until_usable(
        services.broker_url, lambda why: reporter.note(f"Waiting, since {why}"), pause
    )


def _start_processes(running: Stack) -> None:
    running.reporter.step("Starting the workers and loading the model")
    forget_heartbeats(running.services.broker_url, running.processes)
    for process in running.processes:
        process.start()
    _wait_until_ready(running)
    if port := running.settings.metrics_port:
        last = port + sum(process.node is not None for process in running.processes) - 1
        host = running.settings.metrics_host
        running.reporter.note(
            f"The workers serve metrics at http://{host}:{port}/metrics, on ports {port} to {last}."
        )
    if not reports_available():
        running.reporter.note(
            "Drift reports are off: they need the extra plumbline-scoring[monitoring]."
        )


def _wait_until_ready(running: Stack) -> None:
    """Wait for beat, and until each worker can score. The first death ends the wait."""
    deadline = time.monotonic() + READY_TIMEOUT_S
    waiting = list(running.processes)
    while waiting:
        running.check()
        for process in running.processes:
            if (status := process.reap()) is not None:
                raise EmbeddedFailed(
                    f"{process.name} did not start: it {describe_exit(status)}; "
                    f"{quote_log(process.log)}."
                )
        if time.monotonic() > deadline and (reason := unusable_server(running.services)):
            running.reporter.note(f"Waiting, since {reason}")
            deadline = time.monotonic() + READY_TIMEOUT_S
        elif time.monotonic() > deadline:
            names = ", ".join(process.name for process in waiting)
            raise EmbeddedFailed(
                f"Not ready within {READY_TIMEOUT_S:g} s: {names}; of {waiting[0].name}, "
                f"{quote_log(waiting[0].log, LOG_LINES)}."
            )
        time.sleep(POLL_S)
        waiting = unready(running.services.broker_url, waiting)


def _drain(running: Stack) -> None:
    """Stop beat and let each worker finish the text that it is scoring."""
    with suppress(OSError):
        address_file(running.settings).unlink(missing_ok=True)
    running.reporter.step("Waiting for the workers to finish their texts (Ctrl-C kills them)")
    for process in running.processes:
        process.request_stop()
    deadline = time.monotonic() + DRAIN_TIMEOUT_S
    drained = [process.wait(deadline - time.monotonic()) for process in running.processes]
    if not all(drained):
        running.reporter.note("Workers were killed; the next start scores their texts.")
    _report_queued_texts(running)
    running.reporter.step("Stopping the servers" if running.servers else "Stopping")


def _kill(processes: Sequence[CeleryProcess]) -> None:
    for process in processes:
        process.kill()


def _report_queued_texts(running: Stack) -> None:
    try:
        with open_engine(running.services.database_url) as engine, engine.connect() as connection:
            counts = snapshot(connection, running.settings.drift_valid_s).counts
    except Exception:
        # The database may be what failed, and that error is reported already.
        return
    queued = counts.get(JobState.QUEUED, 0) + counts.get(JobState.LEASED, 0)
    if queued:
        running.reporter.note(f"{queued:,} texts are queued until the next start.")
