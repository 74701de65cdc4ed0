"""Real Celery workers and beats for tests, each in its own process group, drained at the end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
from sqlalchemy import Engine, text

from plumbline.embedded import child_process
from plumbline.private_files import UMASK
from tests import warm_python
from tests.paths import CHECKOUT, MODELS
from tests.servers import for_worker
from tests.skewed_clock import SkewedClock
from tests.waiting import eventually

START_TIMEOUT_S = 120.0
DRAIN_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Worker:
    """A running `celery` command: a worker, or beat."""

    process: subprocess.Popen[bytes] | warm_python.Started
    log_file: Path

    def log(self) -> str:
        return self.log_file.read_text(encoding="utf-8", errors="replace")

    def children(self) -> list[int]:
        """Return the process ids of the pool, oldest first."""
        children = psutil.Process(self.process.pid).children()
        return [child.pid for child in sorted(children, key=psutil.Process.create_time)]

    def wait_for_log(self, text: str, times: int = 1, timeout_s: float = 120.0) -> None:
        """Wait until the log contains the text at least so many times."""
        eventually(
            lambda: self.log().count(text) >= times,
            timeout_s,
            f"the log does not contain {text!r} {times} times within {timeout_s:g} s",
        )

    def wait_for_leases(self, engine: Engine, texts: int, timeout_s: float = 120.0) -> None:
        """Wait until exactly so many texts are leased; the first may not be in flight yet."""
        count = text("SELECT count(*) FROM plumbline.jobs WHERE state = 'leased'")

        def all_leased() -> bool:
            with engine.connect() as connection:
                return bool(connection.execute(count).scalar_one() == texts)

        eventually(all_leased, timeout_s, f"{texts} texts are not leased within {timeout_s:g} s")

    def kill(self) -> None:
        """Kill it and its children without a chance to clean up, as a power cut does."""
        child_process.kill_group(self.process.pid)
        self.process.wait()

    def drain(self) -> None:
        """Send SIGTERM and wait for the end; fail if it must be killed."""
        if self.process.poll() != -signal.SIGKILL:
            self.process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(DRAIN_TIMEOUT_S)
            assert self.process.returncode is not None, "it did not drain"


@contextmanager
def start_worker(
    database_url: str,
    broker_url: str,
    folder: Path,
    *,
    concurrency: int = 2,
    queues: str | None = None,
    settings: Mapping[str, object] | None = None,
    options: tuple[str, ...] = (),
    app: str = "worker",
    clock: SkewedClock | None = None,
    while_starting: Callable[[], None] | None = None,
) -> Iterator[Worker]:
    """Run `celery -A worker worker`; yield it once it is ready, and drain it at the end.

    `settings` are Plumbline's settings by field name, as in {"lease_s": 2}. A `clock` is that of
    `tests.skewed_app`. The log is written to `folder`, and printed if the test fails.
    """
    name = f"worker-{uuid.uuid4().hex[:8]}"
    command = ["worker", f"--concurrency={concurrency}", f"--hostname={name}@localhost"]
    if queues is not None:
        command += ["--queues", queues]
    log, command = folder / f"{name}.log", [*command, *options]
    worker = _start(database_url, broker_url, log, command, settings, app, clock)
    with _drained_or_killed(worker):
        if while_starting is not None:
            while_starting()
        eventually(lambda: _is_ready(worker), START_TIMEOUT_S, "the worker is not ready")
        yield worker


@contextmanager
def start_beat(
    database_url: str,
    broker_url: str,
    folder: Path,
    *,
    settings: Mapping[str, object] | None = None,
    app: str = "worker",
    clock: SkewedClock | None = None,
) -> Iterator[Worker]:
    """Run `celery -A worker beat`; see `start_worker`."""
    log = folder / f"beat-{uuid.uuid4().hex[:8]}.log"
    beat = _start(database_url, broker_url, log, ["beat"], settings, app, clock)
    with _drained_or_killed(beat):
        yield beat


def failed_start_output(
    database_url: str,
    broker_url: str,
    folder: Path,
    *,
    settings: Mapping[str, object] | None = None,
) -> str:
    """Return the output of a worker that refuses to start; fail if it starts or exits with 0."""
    ended = warm_python.run(
        [sys.executable, "-m", "celery", "-A", "worker", "worker", "--concurrency=1"],
        environment=environment(database_url, broker_url, folder, settings),
        cwd=folder,
        timeout=START_TIMEOUT_S,
    )
    output = (ended.stdout + ended.stderr).decode()
    assert ended.returncode == 1, f"the exit status is {ended.returncode}: {output}"
    return output


def environment(
    database_url: str, broker_url: str, folder: Path, settings: Mapping[str, object] | None = None
) -> dict[str, str]:
    """Return this process's environment with these Plumbline settings instead of its own."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("PLUMBLINE_")}
    fields = {
        "database_url": database_url,
        # What users get: a Redis whose workers have few rights.
        "broker_url": for_worker(broker_url),
        "models_dir": MODELS,
        "state_dir": folder / ".plumbline",
        # Building them takes seconds; tests/integration/worker/pool/test_node.py shares them.
        "weights_dir": "off",
    } | dict(settings or {})
    variables = {f"PLUMBLINE_{name.upper()}": str(value) for name, value in fields.items()}
    # The apps of the tests are not in the working directory.
    return inherited | variables | {"PYTHONPATH": str(CHECKOUT)}


def _start(
    database_url: str,
    broker_url: str,
    log: Path,
    command: list[str],
    settings: Mapping[str, object] | None,
    app: str = "worker",
    clock: SkewedClock | None = None,
) -> Worker:
    if clock is not None:
        app = "tests.skewed_app"
    arguments = [sys.executable, "-m", "celery", "-A", app, *command]
    variables = environment(database_url, broker_url, log.parent, settings)
    variables |= clock.environment() if clock is not None else {}
    # Not the checkout, whose .env would be read.
    cwd = log.parent
    if not warm_python.fits(variables):
        started = child_process.start(arguments, log=log, environment=variables, cwd=cwd)
        return Worker(started, log)
    with log.open("ab") as output, Path(os.devnull).open("rb") as empty:
        streams = (empty, output, output)
        return Worker(
            warm_python.start(
                arguments, environment=variables, cwd=cwd, streams=streams, umask=UMASK
            ),
            log,
        )


@contextmanager
def _drained_or_killed(worker: Worker) -> Iterator[None]:
    """Drain at the end of the block. After an error, print the log. Leave no process behind."""
    try:
        yield
        worker.drain()
    except BaseException:
        print(worker.log())  # noqa: T201
        raise
    finally:
        # SIGKILL also reaches children whose parent is gone.
        child_process.kill_group(worker.process.pid)
        worker.process.wait()


def _is_ready(worker: Worker) -> bool:
    status = worker.process.poll()
    assert status is None, f"the worker exited with {status}"
    return " ready." in worker.log()
