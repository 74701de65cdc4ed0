"""kombu's poller, which also gives each channel its turns and its wake-ups.

A message must be delivered before the loop's tick, in which Celery's pool registers what it has to
write. Delivered in a tick, it could wait until the next event or timer.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import redis as redis_py
from kombu.transport import redis

from worker.broker.wakeup import Wakeups

# How often each channel gets a turn without a reason.
TURN_EVERY_S = 0.25


class Poller(redis.MultiChannelPoller):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self._wakeups: dict[int, Wakeups] = {}
        self._add_reader: Callable[[int], Any] | None = None
        self._loop: Any = None
        self._in_turn = False

    def attach(self, loop: Any, on_readable: Callable[[int], Any]) -> None:
        """Let an event loop give the turns from now on; without one, `get` does."""
        self._loop = loop
        self._add_reader = lambda descriptor: loop.add_reader(descriptor, on_readable, descriptor)
        loop.call_repeatedly(TURN_EVERY_S, self.turn)

    def take_turn(self) -> None:
        """Let the channels have a turn now, if an event loop gives the turns.

        Celery acknowledges in callbacks that precede the tick. A broken connection is the
        consumer's to restore, which the next turn by the timer lets it do.
        """
        if self._loop is not None and not self._in_turn:
            with suppress(redis_py.ConnectionError, redis_py.TimeoutError):
                self.turn()

    def watch(self, descriptor: int, wakeups: Wakeups) -> None:
        self._wakeups[descriptor] = wakeups
        if self._add_reader is not None:
            self._add_reader(descriptor)
        else:
            self.poller.register(descriptor, self.eventflags)

    def unwatch(self, descriptor: int) -> None:
        if self._wakeups.pop(descriptor, None) is not None:
            self._unregister_from_poll(descriptor)

    def turn(self) -> bool:
        """Let each channel take messages; return whether any did."""
        self._in_turn = True
        try:
            return any([channel.turn() for channel in tuple(self._channels)])
        finally:
            self._in_turn = False

    def on_readable(self, fileno: int) -> Any:
        wakeups = self._wakeups.get(fileno)
        if wakeups is not None:
            return wakeups.read(fileno)
        return super().on_readable(fileno)

    def handle_event(self, fileno: int, event: int) -> Any:
        if fileno in self._wakeups:
            return self.on_readable(fileno), self
        return super().handle_event(fileno, event)

    def get(self, callback: Any, timeout: float | None = None) -> Any:
        if self.turn():
            return None
        # Turns follow from time to time, not only after an event.
        longest = TURN_EVERY_S if timeout is None else min(timeout, TURN_EVERY_S)
        return super().get(callback, timeout=longest)
