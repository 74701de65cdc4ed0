"""A Celery process beside us: started, watched, started again if it dies, drained at the end."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from plumbline.embedded import child

RESTARTS = 4
# Deaths longer ago than this say nothing about the next start.
FORGET_S = 300.0
FIRST_WAIT_S = 1.0


def restart_wait_s(deaths: Sequence[float], now: float) -> float | None:
    """How long to wait before the next start; None after too many deaths in FORGET_S.

    `deaths` are times on the clock of `now`, the newest last.
    """
    recent = sum(now - death < FORGET_S for death in deaths)
    if recent > RESTARTS:
        return None
    return FIRST_WAIT_S * 2.0 ** max(recent - 1, 0)


@dataclass(slots=True)
class Part:
    """`name` is what a person reads; `node` is how Celery knows a worker, None for beat."""

    name: str
    command: Sequence[str | Path]
    log: Path
    folder: Path
    environment: Mapping[str, str]
    node: str | None = None
    end_signal: signal.Signals = signal.SIGTERM
    process: subprocess.Popen[bytes] | None = None
    deaths: list[float] = field(default_factory=list)
    start_at: float = 0.0

    def start(self) -> None:
        self.process = child.start(
            self.command,
            log=self.log,
            environment=self.environment,
            cwd=self.folder,
        )

    def died(self) -> int | None:
        """The exit status of a process that ended unasked, told once; None otherwise."""
        status = self.process.poll() if self.process is not None else None
        if status is not None:
            # Its children may have survived it, and the next one must not share their work.
            self.kill()
            self.process = None
            self.deaths.append(time.monotonic())
        return status

    def ask_to_end(self) -> None:
        """At SIGTERM a worker takes no more texts and finishes those it holds."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(self.end_signal)

    def wait(self, timeout_s: float) -> bool:
        """Wait for the end asked for, or kill it. True if it went by itself."""
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
            child.kill_group(self.process.pid)


def ending(status: int) -> str:
    """How a process ended, in words."""
    if status < 0:
        return f"was killed by {signal.Signals(-status).name}"
    return f"ended with status {status}"
