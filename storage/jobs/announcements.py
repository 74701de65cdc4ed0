"""Announcements to the relay that the outbox is not empty: PostgreSQL's notifications.

They only save time, because whoever listens also reads the outbox at intervals. Any login of the
server can send as many as it likes, and can keep the server's queue of them full.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from time import monotonic, sleep
from typing import Any, Protocol

import psycopg
from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError

from plumbline_client.deadline import time_limit
from storage.direct import Executor

# `plumbline.notify_relay` notifies the same channel.
CHANNEL = "plumbline_jobs"
# How often the outbox is read where no notification arrives.
POLL_EVERY_S = 1.0
# Reads of the outbox are at least so far apart, however many notifications arrive.
LEAST_GAP_S = 0.05
# So many notifications between two reads come from somebody else, or from so many producers that
# reading every POLL_EVERY_S costs less.
FLOOD = 1_000
# For how long the relay polls, before it listens again.
FLOODED_S = 60.0
# From here on `plumbline.notify_relay` does not notify.
FULL = 0.5
# A server that takes longer to answer a check of the connection is not there.
CHECK_LIMIT_S = 3.0

NOTIFY = text("SELECT plumbline.notify_relay()")


def notify_relay(connection: Executor) -> None:
    """Notify the relay, when this transaction commits, that the outbox is not empty.

    Nothing is sent while the server's queue is half full: the commit would fail if it were full.
    """
    connection.execute(NOTIFY, {})


class Silence(StrEnum):
    """Why no notification of ours arrives, as the end of a sentence."""

    POOLER = "PostgreSQL is behind a connection pooler that passes no notifications on"
    FLOOD = f"somebody floods PostgreSQL's channel {CHANNEL} with notifications"
    FULL = (
        "PostgreSQL's queue of notifications is half full, because a session that listens does "
        "not end its transaction (see pg_stat_activity)"
    )


class Listener(Protocol):
    """Waits until the outbox may have jobs. Its methods raise SQLAlchemy's OperationalError."""

    @property
    def silence(self) -> Silence | None:
        """Why `wait` returns on a schedule; None while notifications arrive."""

    def wait(self, timeout_s: float) -> bool:
        """Wait for at most `timeout_s`; return whether to read the outbox now."""

    def check(self) -> None:
        """Raise if the connection has died without an error."""


@dataclass(slots=True)
class Schedule:
    """When to read the outbox without a notification."""

    read_at: float

    def wait(self, timeout_s: float) -> bool:
        due_s = self.read_at + POLL_EVERY_S - monotonic()
        sleep(max(0.0, min(timeout_s, due_s)))
        if due_s > timeout_s:
            return False
        self.read_at = monotonic()
        return True


class NotifiedListener:
    """A connection that receives the relay's notifications, unless they are flooded or full."""

    def __init__(self, raw: psycopg.Connection[Any]) -> None:
        self._raw = raw
        self._schedule = Schedule(monotonic())
        self._is_full = False
        self._flooded_until = 0.0
        self._listen()

    @property
    def silence(self) -> Silence | None:
        if self._flooded_until:
            return Silence.FLOOD
        return Silence.FULL if self._is_full else None

    def wait(self, timeout_s: float) -> bool:
        if self._flooded_until:
            return self._wait_for_end_of_flood(timeout_s)
        with _translate_to_sqlalchemy():
            notified = bool(list(self._raw.notifies(timeout=timeout_s, stop_after=1)))
            if notified and self._drain() > FLOOD:
                self._raw.execute(f"UNLISTEN {CHANNEL}")
                self._flooded_until = monotonic() + FLOODED_S
        return notified or (self._is_full and self._schedule.wait(0.0))

    def check(self) -> None:
        query = f"SELECT pg_notification_queue_usage() >= {FULL}"
        with time_limit(CHECK_LIMIT_S), _translate_to_sqlalchemy():
            self._is_full = bool(self._raw.execute(query).fetchall()[0][0])
        if not self._flooded_until:
            self._listen()

    def _drain(self) -> int:
        """Take what else arrives before the next read; return how many notifications that were."""
        ends_at, drained = monotonic() + LEAST_GAP_S, 0
        while drained <= FLOOD and (left_s := ends_at - monotonic()) > 0:
            drained += len(list(self._raw.notifies(timeout=left_s, stop_after=FLOOD)))
        return drained

    def _wait_for_end_of_flood(self, timeout_s: float) -> bool:
        if monotonic() >= self._flooded_until:
            self._flooded_until = 0.0
            with _translate_to_sqlalchemy():
                # The rest of the flood.
                list(self._raw.notifies(timeout=0.0))
            self._listen()
            # Nobody was notified of what was submitted in between.
            return True
        return self._schedule.wait(timeout_s)

    def _listen(self) -> None:
        with _translate_to_sqlalchemy():
            self._raw.execute(f"LISTEN {CHANNEL}")


class PollingListener:
    """Stands in where a connection pooler keeps notifications from its clients."""

    silence = Silence.POOLER

    def __init__(self) -> None:
        self._schedule = Schedule(monotonic())

    def wait(self, timeout_s: float) -> bool:
        return self._schedule.wait(timeout_s)

    def check(self) -> None:
        """Do nothing: reading the outbox is the check."""


@contextmanager
def listen(engine: Engine) -> Iterator[Listener]:
    """Receive notifications until the end of the block, or poll where a pooler is in between.

    Raises SQLAlchemy's OperationalError if PostgreSQL cannot be reached or the connection breaks.
    """
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        raw = connection.connection.driver_connection
        assert isinstance(raw, psycopg.Connection)
        if not getattr(raw, "pooled", False):
            # In the pool the connection would continue to listen.
            connection.detach()
            yield NotifiedListener(raw)
            return
    yield PollingListener()


@contextmanager
def _translate_to_sqlalchemy() -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        raise OperationalError(None, None, error) from error
