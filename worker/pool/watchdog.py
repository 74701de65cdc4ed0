"""A time limit that also holds in C code that hangs: the system's alarm ends the process.

Python's own signal handlers wait for the interpreter, which such code never gives back, so the
alarm keeps its default action. First its traceback goes to the log.
"""

from __future__ import annotations

import faulthandler
import signal

STDERR = 2


class Watchdog:
    """Limits one text at a time to `limit_s`; None limits nothing. For a main thread alone."""

    def __init__(self, limit_s: float | None = None) -> None:
        self._limit_s = limit_s

    def install(self) -> None:
        """Have tracebacks of crashes and alarms in the log, whatever Celery did to sys.stderr."""
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        faulthandler.enable(STDERR)
        faulthandler.register(signal.SIGALRM, STDERR, chain=True)

    def arm(self) -> None:
        if self._limit_s is not None:
            signal.setitimer(signal.ITIMER_REAL, self._limit_s)

    def disarm(self) -> None:
        if self._limit_s is not None:
            signal.setitimer(signal.ITIMER_REAL, 0.0)
