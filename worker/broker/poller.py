"""kombu's poller, which also gives each channel its turns and its wake-ups."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kombu.transport import redis

from worker.broker.wakeup import Wakeups


class Poller(redis.MultiChannelPoller):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self._wakeups: dict[int, Wakeups] = {}
        self._add_reader: Callable[[int], Any] | None = None

    def attach(self, loop: Any, on_readable: Callable[[int], Any]) -> None:
        """Let an event loop watch the wake-ups from now on; without one, `get` does."""
        self._add_reader = lambda descriptor: loop.add_reader(descriptor, on_readable, descriptor)

    def watch(self, descriptor: int, wakeups: Wakeups) -> None:
        self._wakeups[descriptor] = wakeups
        if self._add_reader is not None:
            self._add_reader(descriptor)
        else:
            self.poller.register(descriptor, self.eventflags)

    def unwatch(self, descriptor: int) -> None:
        if self._wakeups.pop(descriptor, None) is not None:
            self._unregister_from_poll(descriptor)

    def on_poll_start(self) -> None:
        super().on_poll_start()
        self.turn()

    def turn(self) -> bool:
        """Let each channel take messages; return whether any did."""
        return any([channel.turn() for channel in tuple(self._channels)])

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
        return super().get(callback, timeout=timeout)
