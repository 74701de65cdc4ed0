"""Ctrl-C, SIGTERM and a closed terminal: the first starts the shutdown, the second hastens it.

Python raises KeyboardInterrupt between any two instructions; inside a finalizer or a fork hook it
is printed and lost. So the handler only records the first signal, and `check` raises it.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """While entered, the first signal makes `check` raise, and a second one raises immediately.

    After `begin_shutdown` no signal raises, so that the shutdown is never cut short: each signal
    calls `hasten` instead.
    """

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self._shutting_down = False
        self._hasten: Callable[[], None] = _do_nothing
        self._previous_handlers: dict[signal.Signals, Any] = {}

    def begin_shutdown(self, hasten: Callable[[], None]) -> None:
        """From now on every signal calls `hasten`."""
        self._hasten = hasten
        self._shutting_down = True

    def check(self) -> None:
        """Raise KeyboardInterrupt if a signal was received. Call it often, where that is safe."""
        if self.received is not None and not self._shutting_down:
            raise KeyboardInterrupt

    def __enter__(self) -> Interrupts:
        for number in SIGNALS:
            # A signal that the parent process ignores, as nohup does, stays ignored.
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._previous_handlers[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._previous_handlers.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        first = self.received is None
        self.received = self.received or signal.Signals(number)
        if self._shutting_down:
            # An exception here would surface between any two instructions of the shutdown.
            with contextlib.suppress(Exception):
                self._hasten()
        elif not first:
            raise KeyboardInterrupt


def _do_nothing() -> None:
    return
