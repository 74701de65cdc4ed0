"""The outbox: jobs whose wake-up has not been sent."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from sqlalchemy import Connection, text

from storage.jobs.claim import QUEUED
from storage.jobs.due import COLUMNS, DueJobs, due_jobs
from storage.jobs.queue import IS_DUE

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


def take_due_jobs(connection: Connection, *, max_attempts: int, limit: int) -> DueJobs:
    """Mark at most `limit` jobs of the outbox as published and return them.

    The caller publishes them after the commit. If it dies in between, the sweeper finds them.
    """
    rows = connection.execute(TAKE_DUE, {"max_attempts": max_attempts, "limit": limit})
    return DueJobs(due_jobs(rows))


def unpublish(connection: Connection, ids: Sequence[uuid.UUID]) -> None:
    """Mark the wake-ups of these jobs as not sent, so that the next sweep sends them."""
    connection.execute(UNPUBLISH, {"ids": list(ids)})
