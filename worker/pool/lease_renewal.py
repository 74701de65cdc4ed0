"""Keeps what a child holds: renews its leases while it scores, and lets go in time when it drains.

A lease is short, so that the texts of a worker that died are soon another's; the thread renews it,
also while one text takes long. A process that hangs is the watchdog's, not ours, to end.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from storage.jobs import leases
from storage.jobs.leases import HeldLeases
from worker.pool.drain import Drain

log = logging.getLogger(__name__)
RENEWALS_A_LEASE = 3
LOOK_EVERY_S = 0.5
# A text that takes longer after SIGTERM is given back too: the process has 10 s to be gone.
ABANDON_AFTER_S = 7.0


class LeaseRenewal:
    """`start` it after the fork. One message at a time."""

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
        threading.Thread(target=self._run, name="keeper", daemon=True).start()

    @contextmanager
    def keeping(self, held: HeldLeases, abandon: Callable[[], None]) -> Iterator[None]:
        """Keep these (id, fence), just leased, until the block ends.

        Where a drain takes too long, `abandon` is called in this thread and does not return.
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
        while not pause.wait(min(LOOK_EVERY_S, self._lease_s / RENEWALS_A_LEASE)):
            with self._lock:
                try:
                    self._look(monotonic())
                except DBAPIError as error:
                    log.warning("the leases could not be renewed: %s", error.orig)
                except Exception:
                    log.exception("the leases could not be renewed")

    def _look(self, now: float) -> None:
        if self._drain.begun() and self._draining_since is None:
            self._draining_since = now
        if self._abandon is None:
            return
        if self._draining_since is not None and now - self._draining_since > ABANDON_AFTER_S:
            self._abandon()
        if self._held and now - self._renewed_at >= self._lease_s / RENEWALS_A_LEASE:
            with self._engine.begin() as connection:
                leases.renew(connection, self._held, self._lease_s)
            self._renewed_at = now
