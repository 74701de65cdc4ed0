"""Ctrl-C, SIGTERM and a closed terminal: the first ends what runs, a second one hurries the end.

Python raises KeyboardInterrupt in the middle of anything: where that is a finalizer or a hook
around a fork it is printed and dropped. So the first signal is only noted, for `check` to raise.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """While entered, the first signal makes `check` raise; a second raises wherever we are.

    From `ending` on none raises any more, so that cleaning up is never cut in half: each calls
    `hurry` instead.
    """

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self._ending = False
        self._hurry: Callable[[], None] = _nothing
        self._before: dict[signal.Signals, Any] = {}

    def ending(self, hurry: Callable[[], None]) -> None:
        """From now on a signal, the first or a further one, calls `hurry`."""
        self._hurry = hurry
        self._ending = True

    def check(self) -> None:
        """Raise KeyboardInterrupt if a signal came. To be called often, where it is safe to end."""
        if self.received is not None and not self._ending:
            raise KeyboardInterrupt

    def __enter__(self) -> Interrupts:
        for number in SIGNALS:
            # Whoever started us so that it is ignored, nohup for one, meant it.
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        first = self.received is None
        self.received = self.received or signal.Signals(number)
        if self._ending:
            # A handler runs in the middle of anything, and what it raised would surface there.
            with contextlib.suppress(Exception):
                self._hurry()
        elif not first:
            raise KeyboardInterrupt


def _nothing() -> None:
    return
