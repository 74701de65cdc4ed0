"""The time limit per text. It also ends native code that hangs: the kernel kills the process.

Python's own signal handlers run only when the interpreter is free, which such code never allows, so
SIGALRM keeps its default action. `faulthandler` writes the traceback to the log first.
"""

from __future__ import annotations

import faulthandler
import signal

STDERR = 2


class Watchdog:
    """Limits one text at a time to `limit_s`; None disables it. Main thread only."""

    def __init__(self, limit_s: float | None = None) -> None:
        self._limit_s = limit_s

    def install(self) -> None:
        """Write tracebacks of crashes and alarms to the log, even if Celery replaced sys.stderr."""
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        faulthandler.enable(STDERR)
        faulthandler.register(signal.SIGALRM, STDERR, chain=True)

    def arm(self) -> None:
        if self._limit_s is not None:
            signal.setitimer(signal.ITIMER_REAL, self._limit_s)

    def disarm(self) -> None:
        if self._limit_s is not None:
            signal.setitimer(signal.ITIMER_REAL, 0.0)
