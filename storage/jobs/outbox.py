"""The outbox: jobs whose wake-up nobody has sent yet, and the news that there are some."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import OperationalError

from storage.direct import Executor

# `plumbline.submit_v1` names it too.
CHANNEL = "plumbline_jobs"

# What used up its attempts is the sweeper's to set aside, not ours to send once more.
TAKE = text("""
UPDATE plumbline.jobs AS jobs SET published_at = now()
FROM (
    SELECT id FROM plumbline.jobs
    WHERE state = 'queued' AND published_at IS NULL
      AND (attempts < :max_attempts OR error IS NULL)
    LIMIT :most FOR UPDATE SKIP LOCKED
) AS due
WHERE jobs.id = due.id
RETURNING jobs.id, jobs.attempts
""")

ANNOUNCE = text("SELECT pg_notify(:channel, '')")


@dataclass(frozen=True, slots=True)
class DueJobs:
    """Jobs whose wake-up must be sent now.

    `fresh` were never claimed and may travel together; `suspects` were, and travel one by one, so
    that a text that kills its worker takes no neighbour along.
    """

    fresh: list[uuid.UUID]
    suspects: list[uuid.UUID]


def take(connection: Connection, *, max_attempts: int, most: int) -> DueJobs:
    """Mark at most `most` jobs of the outbox as published.

    The caller publishes after the commit: if it dies in between, the sweeper finds them.
    """
    rows = connection.execute(TAKE, {"max_attempts": max_attempts, "most": most}).all()
    return DueJobs(
        fresh=[row.id for row in rows if row.attempts == 0],
        suspects=[row.id for row in rows if row.attempts > 0],
    )


def announce(run: Executor) -> None:
    """Tell the relay, once this transaction commits, that the outbox is not empty."""
    run.execute(ANNOUNCE, {"channel": CHANNEL})


class Listener:
    """A connection of its own that hears what is announced from now on."""

    def __init__(self, raw: psycopg.Connection[Any]) -> None:
        self._raw = raw

    def wait(self, timeout_s: float) -> bool:
        """Whether something was announced within `timeout_s`; whatever came at once is one."""
        with _as_sqlalchemy_would():
            return bool(list(self._raw.notifies(timeout=timeout_s, stop_after=1)))

    def check(self) -> None:
        """Raise OperationalError where the connection has died in silence."""
        with _as_sqlalchemy_would():
            self._raw.execute(f"LISTEN {CHANNEL}")


@contextmanager
def listening(engine: Engine) -> Iterator[Listener]:
    """Hear announcements until the end of the block.

    Raises SQLAlchemy's OperationalError where PostgreSQL cannot be reached, or goes.
    """
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        raw = connection.connection.driver_connection
        # It must not go back to the pool, where it would go on listening.
        connection.detach()
        assert isinstance(raw, psycopg.Connection)
        with _as_sqlalchemy_would():
            raw.execute(f"LISTEN {CHANNEL}")
        yield Listener(raw)


@contextmanager
def _as_sqlalchemy_would() -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        raise OperationalError(None, None, error) from error
