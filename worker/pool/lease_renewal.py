"""Lease renewal: a thread of each child that renews its leases, also during one slow text.

Leases are short, so that the texts of a dead worker soon become available to others. During a drain
the thread abandons a text that takes too long. Ending a process that hangs is the watchdog's job.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from plumbline_client.deadline import time_limit
from storage.jobs import leases
from storage.jobs.leases import HeldLeases
from worker.pool.drain import Drain

log = logging.getLogger(__name__)
RENEWALS_PER_LEASE = 3
CHECK_EVERY_S = 0.5
# A shutdown may take 10 s, so a text that takes longer than this after SIGTERM is returned.
ABANDON_AFTER_S = 6.0


class LeaseRenewal:
    """Renews the leases of one message at a time. Call `start` after the fork."""

    def __init__(self, engine: Engine, lease_s: float, drain: Drain) -> None:
        self._engine = engine
        self._lease_s = lease_s
        self._drain = drain
        self._lock = threading.Lock()
        self._held: HeldLeases = ()
        self._abandon: Callable[[], None] | None = None
        self._renewed_at = 0.0
        self._draining_since: float | None = None

    def start(self) -> None:
        threading.Thread(target=self._run, name="lease-renewal", daemon=True).start()

    @contextmanager
    def renewing(self, held: HeldLeases, abandon: Callable[[], None]) -> Iterator[None]:
        """Renew these leases, which were just claimed, until the block ends.

        If a drain takes too long, the thread calls `abandon`, which does not return.
        """
        with self._lock:
            self._held, self._abandon, self._renewed_at = held, abandon, monotonic()
        try:
            yield
        finally:
            with self._lock:
                self._held, self._abandon = (), None

    def _run(self) -> None:
        pause = threading.Event()
        while not pause.wait(min(CHECK_EVERY_S, self._lease_s / RENEWALS_PER_LEASE)):
            with self._lock:
                try:
                    self._check(monotonic())
                except DBAPIError as error:
                    log.warning("lease renewal failed: %s", error.orig)
                except Exception:
                    log.exception("lease renewal failed")

    def _check(self, now: float) -> None:
        """Abandon the current text or renew the leases, whichever is due."""
        if self._drain.begun() and self._draining_since is None:
            self._draining_since = now
        if self._abandon is None:
            return
        if self._draining_since is not None and now - self._draining_since > ABANDON_AFTER_S:
            self._abandon()
        if self._held and now - self._renewed_at >= self._lease_s / RENEWALS_PER_LEASE:
            # An answer that comes later comes too late, and another connection may be faster.
            with (
                time_limit(self._lease_s / RENEWALS_PER_LEASE),
                self._engine.begin() as connection,
            ):
                leases.renew(connection, self._held, self._lease_s)
            self._renewed_at = now
