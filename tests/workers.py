"""Real Celery workers for tests, in a process group of their own, drained at the end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]
from sqlalchemy import Engine, text

from plumbline.embedded import child
from tests.paths import MODELS
from tests.waiting import eventually

START_TIMEOUT_S = 60.0
DRAIN_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Worker:
    process: subprocess.Popen[bytes]
    log_file: Path

    def log(self) -> str:
        return self.log_file.read_text(encoding="utf-8", errors="replace")

    def children(self) -> list[int]:
        """The process ids of the pool, oldest first."""
        found = psutil.Process(self.process.pid).children()
        return [process.pid for process in sorted(found, key=psutil.Process.create_time)]

    def until_logged(self, text: str, times: int = 1, timeout_s: float = 60.0) -> None:
        eventually(
            lambda: self.log().count(text) >= times,
            timeout_s,
            f"{text!r} is not {times} times in the log within {timeout_s:g} s",
        )

    def until_leased(self, engine: Engine, texts: int, timeout_s: float = 60.0) -> None:
        """Wait until it holds so many texts; the first may not be in hand yet."""
        counted = text("SELECT count(*) FROM plumbline.jobs WHERE state = 'leased'")

        def leased() -> bool:
            with engine.connect() as connection:
                return bool(connection.execute(counted).scalar_one() == texts)

        eventually(leased, timeout_s, f"{texts} texts are not leased within {timeout_s:g} s")

    def kill(self) -> None:
        """End it and its children without a word, as a power cut does."""
        child.kill_group(self.process.pid)
        self.process.wait()

    def drain(self) -> None:
        """Let it finish what it holds, as SIGTERM does; fail if it must be killed."""
        if self.process.poll() != -signal.SIGKILL:
            assert child.stop(self.process, signal.SIGTERM, DRAIN_TIMEOUT_S), "it did not drain"


@contextmanager
def worker(
    database_url: str,
    broker_url: str,
    folder: Path,
    *,
    concurrency: int = 2,
    queues: str | None = None,
    settings: Mapping[str, object] | None = None,
    options: tuple[str, ...] = (),
    app: str = "worker",
    while_starting: Callable[[], None] | None = None,
) -> Iterator[Worker]:
    """A `celery -A worker worker` that is ready; drained by SIGTERM at the end.

    `settings` are Plumbline's by field name, as in {"lease_s": 2}. Its log is in `folder`, and is
    printed where the test fails.
    """
    name = f"worker-{uuid.uuid4().hex[:8]}"
    command = ["worker", f"--concurrency={concurrency}", f"--hostname={name}@localhost"]
    if queues is not None:
        command += ["--queues", queues]
    log, command = folder / f"{name}.log", [*command, *options]
    found = _start(database_url, broker_url, log, command, settings, app)
    try:
        if while_starting is not None:
            while_starting()
        eventually(lambda: _ready(found), START_TIMEOUT_S, "the worker is not ready")
        yield found
        found.drain()
    except BaseException:
        print(found.log())  # noqa: T201
        raise
    finally:
        # Whatever happened, nothing of it stays: SIGKILL reaches children its parent lost.
        child.kill_group(found.process.pid)
        found.process.wait()


@contextmanager
def beat(
    database_url: str,
    broker_url: str,
    folder: Path,
    *,
    settings: Mapping[str, object] | None = None,
    app: str = "worker",
) -> Iterator[Worker]:
    """A `celery -A worker beat`; its schedule file is in `folder`."""
    name = f"beat-{uuid.uuid4().hex[:8]}"
    command = ["beat", "--schedule", str(folder / f"{name}.schedule")]
    found = _start(database_url, broker_url, folder / f"{name}.log", command, settings, app)
    try:
        yield found
        found.drain()
    except BaseException:
        print(found.log())  # noqa: T201
        raise
    finally:
        child.kill_group(found.process.pid)
        found.process.wait()


def refusal(
    database_url: str,
    broker_url: str,
    folder: Path,
    *,
    settings: Mapping[str, object] | None = None,
) -> str:
    """What a worker that does not start prints; fails where it starts or ends well."""
    process = subprocess.run(
        [sys.executable, "-m", "celery", "-A", "worker", "worker", "--concurrency=1"],
        env=environment(database_url, broker_url, folder, settings),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=START_TIMEOUT_S,
        check=False,
    )
    assert process.returncode == 1, f"it ended with {process.returncode}: {process.stderr}"
    return process.stdout + process.stderr


def environment(
    database_url: str, broker_url: str, folder: Path, settings: Mapping[str, object] | None = None
) -> dict[str, str]:
    """This process's environment without its own Plumbline settings, and with these."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("PLUMBLINE_")}
    given = {
        "database_url": database_url,
        "broker_url": broker_url,
        "models_dir": MODELS,
        "state_dir": folder / ".plumbline",
    } | dict(settings or {})
    ours = {f"PLUMBLINE_{name.upper()}": str(value) for name, value in given.items()}
    # For apps of the tests, which the working directory would not give.
    return inherited | ours | {"PYTHONPATH": str(MODELS.parent)}


def _start(
    database_url: str,
    broker_url: str,
    log: Path,
    command: list[str],
    settings: Mapping[str, object] | None,
    app: str = "worker",
) -> Worker:
    level = () if "--loglevel" in command else ("--loglevel", "INFO")
    process = child.start(
        [sys.executable, "-m", "celery", "-A", app, *command, *level],
        log=log,
        environment=environment(database_url, broker_url, log.parent, settings),
        # Not the checkout, where a developer's .env would be read.
        cwd=log.parent,
    )
    return Worker(process, log)


def _ready(found: Worker) -> bool:
    assert found.process.poll() is None, f"it ended with {found.process.returncode}"
    return " ready." in found.log()
