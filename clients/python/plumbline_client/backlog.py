"""Admission control: how many texts may be queued, and what a submission does when they are."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from threading import Lock
from time import monotonic

from plumbline_client.deadline import remaining_s
from plumbline_client.errors import BacklogFull
from plumbline_client.pause import pause

# Counting a million index entries takes some tenths of a second; keep it a small share of the time.
COUNT_EVERY_S = 1.0
COUNTING_SHARE = 0.05
POLL_S = 0.25
FOREVER_S = -1.0


class OnFull(StrEnum):
    """What to do while the backlog is full: WAIT for capacity, or REFUSE with `BacklogFull`."""

    WAIT = "wait"
    REFUSE = "refuse"


class Backlog:
    """An estimate of the number of queued texts: a count at most once per second, plus additions.

    `count(limit)` counts no further than `limit`. Threads may share a backlog.
    """

    def __init__(
        self, count: Callable[[int], int], limit: int, now: Callable[[], float] = monotonic
    ) -> None:
        self._count = count
        self._limit = limit
        self._now = now
        self._lock, self._counting = Lock(), Lock()
        self._queued = self._added = 0
        self._count_at = now()

    def queued(self) -> int:
        """Return about how many texts are queued; the count itself stops at the limit."""
        # A thread whose time is over before another thread has counted uses the last count.
        left_s = remaining_s()
        if self._now() >= self._count_at and self._counting.acquire(
            timeout=FOREVER_S if left_s is None else left_s
        ):
            try:
                self._count_if_due()
            finally:
                self._counting.release()
        return self._queued

    def _count_if_due(self) -> None:
        started, added = self._now(), self._added
        if started >= self._count_at:
            queued = self._count(self._limit)
            took_s = self._now() - started
            with self._lock:
                self._queued = queued + self._added - added
                self._count_at = started + max(COUNT_EVERY_S, took_s / COUNTING_SHARE)

    def add(self, texts: int) -> None:
        """Add texts accepted since the last count."""
        with self._lock:
            self._queued += texts
            self._added += texts

    def wait_for_capacity(
        self,
        on_full: OnFull,
        timeout_s: float | None = None,
        on_wait: Callable[[int], None] | None = None,
        pause: Callable[[float], None] = pause,
    ) -> None:
        """Return once the backlog is below its limit.

        Raises `BacklogFull` if it is not and `on_full` is REFUSE, or after `timeout_s`. `on_wait`
        is called with the number of queued texts each time the backlog is found full.
        """
        until = None if timeout_s is None else self._now() + timeout_s
        while (queued := self.queued()) >= self._limit:
            if on_full is OnFull.REFUSE or (until is not None and self._now() >= until):
                raise BacklogFull(
                    f"{queued:,} or more texts are queued, and the limit is {self._limit:,} "
                    "(PLUMBLINE_MAX_BACKLOG); try again later."
                )
            if on_wait is not None:
                on_wait(queued)
            pause(POLL_S if until is None else min(POLL_S, max(0.0, until - self._now())))
