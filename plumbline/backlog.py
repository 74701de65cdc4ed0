"""Back-pressure: how many texts may wait, and what a door does with those that come then."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from threading import Lock
from time import monotonic, sleep

from plumbline.errors import BacklogFull

# Counting a million index entries takes some tenths of a second; it must stay a small share.
COUNT_EVERY_S = 1.0
COUNTING_SHARE = 0.05
POLL_S = 0.25


class OnFull(StrEnum):
    """What to do while too many texts wait: WAIT for room, or REFUSE with `BacklogFull`."""

    WAIT = "wait"
    REFUSE = "refuse"


class Backlog:
    """Knows about how many texts wait: counted at most once a second, and its own added since.

    `count(most)` counts no further than `most`. Safe to share between threads.
    """

    def __init__(
        self, count: Callable[[int], int], most: int, now: Callable[[], float] = monotonic
    ) -> None:
        self._count = count
        self._most = most
        self._now = now
        self._lock = Lock()
        self._waiting = 0
        self._count_at = now()

    def waiting(self) -> int:
        """About how many texts wait, and never more than the most that may and what came since."""
        with self._lock:
            started = self._now()
            if started >= self._count_at:
                self._waiting = self._count(self._most)
                took_s = self._now() - started
                self._count_at = started + max(COUNT_EVERY_S, took_s / COUNTING_SHARE)
            return self._waiting

    def add(self, texts: int) -> None:
        """Count what was accepted since the last count."""
        with self._lock:
            self._waiting += texts

    def make_way(
        self,
        on_full: OnFull,
        timeout_s: float | None = None,
        on_wait: Callable[[int], None] | None = None,
        pause: Callable[[float], None] = sleep,
    ) -> None:
        """Return once there is room; raise `BacklogFull` where there is none and nobody waits.

        `timeout_s` bounds the wait; `on_wait` is told now and then how many texts are before us.
        """
        until = None if timeout_s is None else self._now() + timeout_s
        while (waiting := self.waiting()) >= self._most:
            if on_full is OnFull.REFUSE or (until is not None and self._now() >= until):
                raise BacklogFull(
                    f"{waiting:,} texts or more wait to be scored, and at most {self._most:,} may "
                    "(PLUMBLINE_MAX_BACKLOG); try again later."
                )
            if on_wait is not None:
                on_wait(waiting)
            pause(POLL_S)
