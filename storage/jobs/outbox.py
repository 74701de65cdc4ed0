"""The outbox: jobs whose wake-up has not been sent, and the notification that wakes the relay."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import OperationalError

from plumbline_client.statements import UNPUBLISH
from storage.direct import Executor

# `plumbline.submit_v1` notifies the same channel.
CHANNEL = "plumbline_jobs"

# Jobs that have used up their attempts are left to the sweeper, which quarantines them.
TAKE_DUE = text("""
UPDATE plumbline.jobs AS jobs SET published_at = now()
FROM (
    SELECT id FROM plumbline.jobs
    WHERE state = 'queued' AND published_at IS NULL
      AND (attempts < :max_attempts OR error IS NULL)
    LIMIT :limit FOR UPDATE SKIP LOCKED
) AS due
WHERE jobs.id = due.id
RETURNING jobs.id, jobs.attempts
""")

NOTIFY = text("SELECT pg_notify(:channel, '')")


@dataclass(frozen=True, slots=True)
class DueJobs:
    """Jobs whose wake-up must be sent now.

    `fresh` jobs were never claimed and may share a message. `suspects` were claimed before and get
    one message each, so that a text that kills its worker does not delay other texts.
    """

    fresh: list[uuid.UUID]
    suspects: list[uuid.UUID]


def take_due_jobs(connection: Connection, *, max_attempts: int, limit: int) -> DueJobs:
    """Mark at most `limit` jobs of the outbox as published and return them.

    The caller publishes them after the commit. If it dies in between, the sweeper finds them.
    """
    rows = connection.execute(TAKE_DUE, {"max_attempts": max_attempts, "limit": limit}).all()
    return DueJobs(
        fresh=[row.id for row in rows if row.attempts == 0],
        suspects=[row.id for row in rows if row.attempts > 0],
    )


def unpublish(connection: Connection, ids: Sequence[uuid.UUID]) -> None:
    """Mark the wake-ups of these jobs as not sent, so that the next sweep sends them."""
    connection.exec_driver_sql(UNPUBLISH, {"ids": list(ids)})


def notify_relay(connection: Executor) -> None:
    """Notify the relay, when this transaction commits, that the outbox is not empty."""
    connection.execute(NOTIFY, {"channel": CHANNEL})


class Listener:
    """A connection that receives the relay's notifications."""

    def __init__(self, raw: psycopg.Connection[Any]) -> None:
        self._raw = raw

    def wait(self, timeout_s: float) -> bool:
        """Wait for a notification; return whether one came within `timeout_s`."""
        with _translate_to_sqlalchemy():
            return bool(list(self._raw.notifies(timeout=timeout_s, stop_after=1)))

    def check(self) -> None:
        """Raise OperationalError if the connection has died without an error."""
        with _translate_to_sqlalchemy():
            self._raw.execute(f"LISTEN {CHANNEL}")


@contextmanager
def listen(engine: Engine) -> Iterator[Listener]:
    """Receive notifications until the end of the block.

    Raises SQLAlchemy's OperationalError if PostgreSQL cannot be reached or the connection breaks.
    """
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        raw = connection.connection.driver_connection
        # In the pool the connection would continue to listen.
        connection.detach()
        assert isinstance(raw, psycopg.Connection)
        with _translate_to_sqlalchemy():
            raw.execute(f"LISTEN {CHANNEL}")
        yield Listener(raw)


@contextmanager
def _translate_to_sqlalchemy() -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        raise OperationalError(None, None, error) from error
