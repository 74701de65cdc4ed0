"""Everything on this machine: servers, workers and beat, started in order and stopped in order.

One `Stack` a folder; what an earlier one that was killed left behind is ended first.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from pydantic import SecretStr

from plumbline.broker import ping
from plumbline.celery_config import responding_workers
from plumbline.embedded import child
from plumbline.embedded.celery_process import Part, ending, restart_wait_s
from plumbline.embedded.child import Server
from plumbline.embedded.errors import EmbeddedFailed, EmbeddedMissing
from plumbline.embedded.interrupts import Interrupts
from plumbline.embedded.lock import held
from plumbline.embedded.log_rotation import rotate
from plumbline.embedded.postgres import postgres
from plumbline.embedded.redis import redis_server
from plumbline.queues import REPORT_QUEUE, SCORE_QUEUE, UPKEEP_QUEUE
from plumbline.services import address_file, lock_file
from plumbline.settings import PREFIX, Settings
from storage.database import connect, translate_errors
from storage.reports.status import snapshot
from storage.serving import deployments

READY_TIMEOUT_S = 120.0
PING_TIMEOUT_S = 0.5
POLL_S = 0.2
# A worker told to stop is gone within 10 s, whatever text it has in hand.
DRAIN_TIMEOUT_S = 15.0
LOG_LINES = 3


class Narrator(Protocol):
    """Who tells a person what happens."""

    def step(self, what: str) -> None:
        """Something begins, and what began before it is done."""

    def done(self) -> None:
        """What began last is done, and nothing follows."""

    def stopped(self) -> None:
        """What began last, if it is not done by now, never will be."""

    def say(self, sentence: str) -> None:
        """Something happened meanwhile."""


@dataclass(slots=True)
class Stack:
    """What runs. `settings` carry both URLs; `parts` are the Celery processes."""

    settings: Settings
    servers: Sequence[Server]
    parts: Sequence[Part]
    narrator: Narrator
    interrupts: Interrupts
    live_model: str | None = None

    def supervise(self) -> None:
        """Look after what runs: call it often, and let nothing catch what it raises.

        Celery processes that die are started again, since the ledger makes that safe. Raises
        EmbeddedFailed where a server died, because whatever ended it (a full disk, no memory)
        needs a person, or where a Celery process dies again and again; KeyboardInterrupt after a
        signal.
        """
        self.check()
        for part in self.parts:
            self._revive(part)

    def check(self) -> None:
        """Raise KeyboardInterrupt after a signal, EmbeddedFailed where a server died."""
        self.interrupts.check()
        for server in self.servers:
            status = server.process.poll()
            if status is not None:
                raise EmbeddedFailed(
                    f"{server.name} {ending(status)}, so everything stops; its log, {server.log}, "
                    f"ends: {child.log_tail(server.log, LOG_LINES)}"
                )

    def _revive(self, part: Part) -> None:
        now = time.monotonic()
        status = part.died()
        if status is not None:
            wait_s = restart_wait_s(part.deaths, now)
            told = f"{part.name} {ending(status)}"
            if wait_s is None:
                raise EmbeddedFailed(
                    f"{told}, the {len(part.deaths)}th time, so everything stops; its log, "
                    f"{part.log}, ends: {child.log_tail(part.log, LOG_LINES)}"
                )
            part.start_at = now + wait_s
            self.narrator.say(
                f"{told} and starts again in {wait_s:g} s; its log, {part.log}, ends: "
                f"{child.log_tail(part.log, LOG_LINES)}"
            )
        elif part.process is None and now >= part.start_at:
            part.start()


@contextmanager
def stack(settings: Settings, narrator: Narrator) -> Iterator[Stack]:
    """Start everything that has no URL of its own, wait until it is ready, and stop it at the end.

    Raises FolderBusy where another one runs in the same state_dir, EmbeddedMissing or
    EmbeddedFailed saying what to do, KeyboardInterrupt after a signal.
    """
    settings = settings.with_absolute_folders()
    _demand_programs()
    busy = (
        f"`plumbline up` runs already with its state in {settings.state_dir}; end that one, "
        "or set PLUMBLINE_STATE_DIR to another folder."
    )
    _make_folder(workers_folder(settings))
    with Interrupts() as interrupts, held(lock_file(settings), busy), ExitStack() as opened:
        parts: list[Part] = []
        try:
            _end_leftovers(settings, narrator)
            rotate(settings.state_dir)
            interrupts.check()
            settings, servers = _start_servers(settings, narrator, opened, interrupts)
            _migrate(settings, narrator)
            interrupts.check()
            parts += celery_parts(settings)
            running = Stack(settings, servers, parts, narrator, interrupts)
            opened.callback(_drain, running)
            _start_parts(running)
            running.live_model = _live_model(settings)
            write_addresses(settings)
            narrator.done()
            yield running
        finally:
            interrupts.ending(lambda: _kill(parts))
            narrator.stopped()


def celery_parts(settings: Settings) -> list[Part]:
    """The scoring workers, beat, and where Evidently is installed the report worker."""
    folder = workers_folder(settings)
    logs = settings.state_dir / "logs"
    environment = child_environment(settings)
    # Two of us may share one Redis, and a node's name must be its own there.
    here = f"{os.getpid()}@{socket.gethostname()}"

    def part(name: str, log: str, *arguments: str, node: str | None = None) -> Part:
        command = [sys.executable, "-m", "celery", "-A", "worker", *arguments]
        command += ["--loglevel", settings.log_level]
        if node is not None:
            # Nobody here listens for gossip, and mingling costs a second at each start.
            command += ["--hostname", node, "--without-mingle", "--without-gossip"]
        return Part(name, command, logs / log, folder, environment, node)

    parts = [
        part(
            "The scoring worker",
            "worker.log",
            "worker",
            f"--concurrency={settings.concurrency}",
            node=f"scoring-{here}",
        ),
        # Its one process never holds a bulk message, so that a single text always finds one free.
        part(
            "The express worker",
            "express.log",
            "worker",
            f"--queues={UPKEEP_QUEUE},{SCORE_QUEUE}",
            "--concurrency=1",
            node=f"express-{here}",
        ),
        part("Beat", "beat.log", "beat", "--schedule", str(folder / "schedule"), "--pidfile="),
    ]
    if makes_reports():
        parts.append(
            part(
                "The report worker",
                "reports.log",
                "worker",
                f"--queues={REPORT_QUEUE}",
                "--concurrency=1",
                # Evidently's 330 MB go back to the system after each report.
                "--max-tasks-per-child=1",
                node=f"reports-{here}",
            )
        )
        # A report is minutes of work at most and made anew every hour: nobody should wait for it.
        parts[-1].end_signal = signal.SIGQUIT
    if settings.metrics_port:
        # One port a worker, since each serves its own.
        workers = [part for part in parts if part.node is not None]
        for port, worker in enumerate(workers, settings.metrics_port):
            worker.environment = environment | {f"{PREFIX}METRICS_PORT": str(port)}
    return parts


def makes_reports() -> bool:
    """Whether drift reports can be made here: Evidently is an extra."""
    return find_spec("evidently") is not None


def child_environment(settings: Settings) -> dict[str, str]:
    """This process's environment, with every setting as it holds here."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(PREFIX)}
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if value is not None:
            plain = value.get_secret_value() if isinstance(value, SecretStr) else value
            environment[PREFIX + name.upper()] = str(plain)
    return environment


def workers_folder(settings: Settings) -> Path:
    """Where the Celery processes work: by it a later run knows those of a run that was killed."""
    return settings.state_dir / "workers"


def write_addresses(settings: Settings) -> None:
    """Leave both URLs where the other commands look, whole and readable by this user alone."""
    assert settings.database_url is not None and settings.broker_url is not None
    addresses = {
        "database_url": settings.database_url.get_secret_value(),
        "broker_url": settings.broker_url.get_secret_value(),
        "pid": os.getpid(),
    }
    path = address_file(settings)
    unready = path.with_suffix(".unready")
    unready.unlink(missing_ok=True)
    unready.touch(mode=0o600)
    unready.write_text(json.dumps(addresses), encoding="utf-8")
    unready.rename(path)


def _demand_programs() -> None:
    for module in ("alembic", "ai_edge_litert", "tokenizers"):
        if find_spec(module) is None:
            raise EmbeddedMissing(
                "The workers' packages are not installed here: run "
                "`pip install 'plumbline[monitoring,embedded]'`."
            )


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EmbeddedFailed(
            f"{folder} cannot be made ({error.strerror}); set PLUMBLINE_STATE_DIR to a folder "
            "that can be written."
        ) from error


def _end_leftovers(settings: Settings, narrator: Narrator) -> None:
    """Clean up after a run that was killed. We hold the folder's lock, so no other one lives."""
    if address_file(settings).exists():
        narrator.step("Cleaning up after a run that was killed")
        address_file(settings).unlink()
    child.end_leftovers("celery", workers_folder(settings), signal.SIGTERM)


def _start_servers(
    settings: Settings, narrator: Narrator, opened: ExitStack, interrupts: Interrupts
) -> tuple[Settings, list[Server]]:
    """Start a server for each URL that is not set; return settings that have both."""
    servers = []
    urls: dict[str, SecretStr] = {}
    if settings.database_url is None:
        narrator.step("Starting PostgreSQL")
        server = opened.enter_context(postgres(settings.state_dir / "postgres"))
        urls["database_url"] = SecretStr(server.url)
        servers.append(server)
        interrupts.check()
    if settings.broker_url is None:
        narrator.step("Starting Redis")
        server = opened.enter_context(redis_server(settings.state_dir / "redis"))
        urls["broker_url"] = SecretStr(server.url)
        servers.append(server)
        interrupts.check()
    return settings.model_copy(update=urls), servers


def _migrate(settings: Settings, narrator: Narrator) -> None:
    # Alembic, which the other commands do without.
    from storage import migrate

    narrator.step("Bringing the tables up to date")
    assert settings.database_url is not None and settings.broker_url is not None
    engine = connect(settings.database_url.get_secret_value())
    try:
        with translate_errors(engine):
            migrate.upgrade(engine)
    finally:
        engine.dispose()
    ping(settings.broker_url.get_secret_value())


def _start_parts(running: Stack) -> None:
    assert running.settings.broker_url is not None
    running.narrator.step("Starting the workers and loading the model")
    for part in running.parts:
        part.start()
    _wait_until_ready(running, running.settings.broker_url.get_secret_value())
    if port := running.settings.metrics_port:
        last = port + sum(part.node is not None for part in running.parts) - 1
        host = running.settings.metrics_host
        running.narrator.say(
            f"The workers serve metrics at http://{host}:{port}/metrics, on ports {port} to {last}."
        )
    if not makes_reports():
        running.narrator.say(
            "There will be no drift reports: run `pip install 'plumbline[monitoring]'` for them."
        )


def _wait_until_ready(running: Stack, broker_url: str) -> None:
    """Until each worker answers through Redis; the first that dies ends the wait."""
    deadline = time.monotonic() + READY_TIMEOUT_S
    silent = {part.node for part in running.parts if part.node is not None}
    while silent:
        running.check()
        for part in running.parts:
            if part.died() is not None:
                raise EmbeddedFailed(f"{part.name} did not start: {child.log_tail(part.log)}")
        if time.monotonic() > deadline:
            raise EmbeddedFailed(
                f"{len(silent)} workers did not answer within {READY_TIMEOUT_S:g} s; see "
                f"{running.settings.state_dir / 'logs'}."
            )
        silent -= set(responding_workers(broker_url, PING_TIMEOUT_S))


def _live_model(settings: Settings) -> str | None:
    assert settings.database_url is not None
    engine = connect(settings.database_url.get_secret_value())
    try:
        with translate_errors(engine), engine.connect() as connection:
            return deployments.live_model(connection)
    finally:
        engine.dispose()


def _drain(running: Stack) -> None:
    """Stop what makes work, let each worker finish the text in hand, and tell what is left."""
    with suppress(OSError):
        address_file(running.settings).unlink(missing_ok=True)
    running.narrator.step(
        "Letting the workers finish the text in hand (Ctrl-C again stops at once)"
    )
    for part in running.parts:
        part.ask_to_end()
    deadline = time.monotonic() + DRAIN_TIMEOUT_S
    drained = [part.wait(deadline - time.monotonic()) for part in running.parts]
    if not all(drained):
        running.narrator.say("Workers were stopped at work; their texts are scored next time.")
    _tell_what_waits(running)
    running.narrator.step("Stopping the servers" if running.servers else "Ending")


def _kill(parts: Sequence[Part]) -> None:
    for part in parts:
        part.kill()


def _tell_what_waits(running: Stack) -> None:
    assert running.settings.database_url is not None
    engine = connect(running.settings.database_url.get_secret_value())
    try:
        with engine.connect() as connection:
            counts = snapshot(connection).counts
    except Exception:
        # The database may be what failed; its own message says so.
        return
    finally:
        engine.dispose()
    waiting = counts.get("queued", 0) + counts.get("leased", 0)
    if waiting:
        running.narrator.say(f"{waiting:,} texts wait in the ledger for the next start.")
