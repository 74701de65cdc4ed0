"""One Celery process: start it, restart it if it dies, drain it at the end."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from plumbline.embedded import child_process

MAX_RESTARTS = 4
# Earlier deaths do not count towards MAX_RESTARTS.
DEATH_WINDOW_S = 300.0
FIRST_DELAY_S = 1.0


def restart_delay_s(deaths: Sequence[float], now: float) -> float | None:
    """Return the delay of the next start; None if more than MAX_RESTARTS deaths are recent.

    `deaths` are times on the clock of `now`, the newest last.
    """
    recent = sum(now - death < DEATH_WINDOW_S for death in deaths)
    if recent > MAX_RESTARTS:
        return None
    return FIRST_DELAY_S * 2.0 ** max(recent - 1, 0)


@dataclass(slots=True)
class CeleryProcess:
    """`name` is for messages; `node` is the worker's name in Celery, None for beat."""

    name: str
    command: Sequence[str | Path]
    log: Path
    folder: Path
    environment: Mapping[str, str]
    node: str | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    process: subprocess.Popen[bytes] | None = None
    deaths: list[float] = field(default_factory=list)
    start_at: float = 0.0

    def start(self) -> None:
        self.process = child_process.start(
            self.command,
            log=self.log,
            environment=self.environment,
            cwd=self.folder,
        )

    def reap(self) -> int | None:
        """Return the exit status if the process has died since the last call, otherwise None."""
        status = self.process.poll() if self.process is not None else None
        if status is not None:
            # Its children may have survived. They must not work next to those of its successor.
            self.kill()
            self.process = None
            self.deaths.append(time.monotonic())
        return status

    def request_stop(self) -> None:
        """Send the stop signal. At SIGTERM a worker finishes its texts and takes no more."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(self.stop_signal)

    def wait(self, timeout_s: float) -> bool:
        """Wait for the end of the process. Kill it and return False after `timeout_s`."""
        if self.process is None:
            return True
        try:
            return self.process.wait(max(timeout_s, 0.0)) != -signal.SIGKILL
        except subprocess.TimeoutExpired:
            return False
        finally:
            self.kill()
            self.process.wait()

    def kill(self) -> None:
        if self.process is not None:
            child_process.kill_group(self.process.pid)
