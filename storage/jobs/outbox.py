"""The outbox: jobs whose wake-up has not been sent, and the notification that wakes the relay."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import monotonic, sleep
from typing import Any, Protocol

import psycopg
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import OperationalError

from plumbline_client.deadline import time_limit
from storage.direct import Executor
from storage.jobs.claim import QUEUED
from storage.jobs.due import COLUMNS, DueJobs, due_jobs
from storage.jobs.queue import IS_DUE

# `plumbline.submit_v1` notifies the same channel.
CHANNEL = "plumbline_jobs"
# How often the outbox is read where no notification arrives.
POLL_EVERY_S = 1.0
# A server that takes longer to answer a check of the connection is not there.
CHECK_LIMIT_S = 3.0

# Jobs that have used up their attempts are left to the sweeper, which quarantines them.
TAKE_DUE = text(f"""
UPDATE plumbline.jobs AS jobs SET published_at = now()
FROM (
    SELECT id FROM plumbline.jobs
    WHERE state = 'queued' AND published_at IS NULL AND {IS_DUE}
      AND (attempts < :max_attempts OR error IS NULL)
    LIMIT :limit FOR UPDATE SKIP LOCKED
) AS due
WHERE jobs.id = due.id
RETURNING {COLUMNS}
""")

UNPUBLISH = text(f"""
UPDATE plumbline.jobs AS jobs SET published_at = NULL
WHERE id = ANY (CAST(:ids AS uuid[])) AND {QUEUED}
""")

NOTIFY = text("SELECT pg_notify(:channel, '')")


def take_due_jobs(connection: Connection, *, max_attempts: int, limit: int) -> DueJobs:
    """Mark at most `limit` jobs of the outbox as published and return them.

    The caller publishes them after the commit. If it dies in between, the sweeper finds them.
    """
    rows = connection.execute(TAKE_DUE, {"max_attempts": max_attempts, "limit": limit})
    return DueJobs(due_jobs(rows))


def unpublish(connection: Connection, ids: Sequence[uuid.UUID]) -> None:
    """Mark the wake-ups of these jobs as not sent, so that the next sweep sends them."""
    connection.execute(UNPUBLISH, {"ids": list(ids)})


def notify_relay(connection: Executor) -> None:
    """Notify the relay, when this transaction commits, that the outbox is not empty."""
    connection.execute(NOTIFY, {"channel": CHANNEL})


class Listener(Protocol):
    """Waits until the outbox may have jobs. Its methods raise SQLAlchemy's OperationalError."""

    @property
    def notified(self) -> bool:
        """Whether PostgreSQL's notifications arrive; without them, `wait` returns on a schedule."""

    def wait(self, timeout_s: float) -> bool:
        """Wait for at most `timeout_s`; return whether to read the outbox now."""

    def check(self) -> None:
        """Raise if the connection has died without an error."""


class NotifiedListener:
    """A connection that receives the relay's notifications."""

    notified = True

    def __init__(self, raw: psycopg.Connection[Any]) -> None:
        self._raw = raw

    def wait(self, timeout_s: float) -> bool:
        with _translate_to_sqlalchemy():
            return bool(list(self._raw.notifies(timeout=timeout_s, stop_after=1)))

    def check(self) -> None:
        with time_limit(CHECK_LIMIT_S), _translate_to_sqlalchemy():
            self._raw.execute(f"LISTEN {CHANNEL}")


class PollingListener:
    """Stands in where a connection pooler keeps notifications from its clients."""

    notified = False

    def __init__(self) -> None:
        self._read_at = monotonic()

    def wait(self, timeout_s: float) -> bool:
        due_s = self._read_at + POLL_EVERY_S - monotonic()
        sleep(max(0.0, min(timeout_s, due_s)))
        if due_s > timeout_s:
            return False
        self._read_at = monotonic()
        return True

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
            with _translate_to_sqlalchemy():
                raw.execute(f"LISTEN {CHANNEL}")
            yield NotifiedListener(raw)
            return
    yield PollingListener()


@contextmanager
def _translate_to_sqlalchemy() -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        raise OperationalError(None, None, error) from error
