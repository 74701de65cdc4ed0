"""The sweeper's decisions: no job waits forever, and no text is tried forever."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, TextClause, text

from storage.jobs.claim import DEADLINE_PASSED
from storage.jobs.due import COLUMNS, LEASE_EXPIRED, DueJobs, due_jobs
from storage.jobs.quarantine import given_up
from storage.jobs.queue import IS_DUE
from storage.locks import Lock, try_lock

# A lease is over if it expired. If PostgreSQL's clock was set back since the claim, the lease would
# last longer by as much, unless a living worker has renewed it since.
LEASE_OVER = """
    (lease_until <= now()
     OR (started_at > now() + interval '1 minute' AND lease_until > started_at))
"""

# Of each change, so many jobs per transaction: nobody waits long for a row.
BATCH_JOBS = 5_000


def change(values: str, condition: str) -> TextClause:
    """Return the update of a batch of jobs. A row that somebody else has locked keeps no other."""
    return text(f"""
UPDATE plumbline.jobs AS jobs SET {values}
FROM (
    SELECT id FROM plumbline.jobs WHERE {condition} LIMIT :batch FOR UPDATE SKIP LOCKED
) AS chosen
WHERE jobs.id = chosen.id
""")


EXPIRE = change(
    f"state = 'expired', lease_until = NULL, finished_at = now(), error = '{DEADLINE_PASSED}'",
    f"deadline <= now() AND (state = 'queued' OR (state = 'leased' AND {LEASE_OVER}))",
)

QUARANTINE = change(
    f"""
    state = 'quarantined', lease_until = NULL, finished_at = now(),
    error = {given_up(f"coalesce(error, '{LEASE_EXPIRED}')")}
    """,
    f"""
    attempts >= :max_attempts
    AND ((state = 'leased' AND {LEASE_OVER})
         OR (state = 'queued' AND published_at IS NULL AND error IS NOT NULL))
    """,
)

END_LEASES = change(
    f"state = 'queued', lease_until = NULL, published_at = NULL, error = '{LEASE_EXPIRED}'",
    f"state = 'leased' AND {LEASE_OVER}",
)

# Three reads, each along the index: sorting a million queued jobs would take seconds. `future` are
# wake-ups that were sent before PostgreSQL's clock was set back; some of them may be lost.
DUE = text(f"""
WITH never AS (
    SELECT id FROM plumbline.jobs
    WHERE state = 'queued' AND published_at IS NULL AND {IS_DUE}
    LIMIT :limit FOR UPDATE SKIP LOCKED
), lost AS (
    SELECT id FROM plumbline.jobs
    WHERE state = 'queued' AND :republish_lost
      AND published_at <= now() - make_interval(secs => :republish_after_s)
    ORDER BY published_at
    LIMIT :limit - (SELECT count(*) FROM never) FOR UPDATE SKIP LOCKED
), future AS (
    SELECT id FROM plumbline.jobs
    WHERE state = 'queued' AND :republish_lost
      AND published_at > now() + make_interval(secs => :republish_after_s)
    LIMIT :limit - (SELECT count(*) FROM never) - (SELECT count(*) FROM lost)
    FOR UPDATE SKIP LOCKED
)
UPDATE plumbline.jobs AS jobs SET published_at = now()
FROM (SELECT id FROM never UNION ALL SELECT id FROM lost UNION ALL SELECT id FROM future) AS due
WHERE jobs.id = due.id
RETURNING {COLUMNS}
""")


@dataclass(frozen=True, slots=True)
class SweepResult(DueJobs):
    """The changes of one sweep, and the jobs whose wake-up must be sent.

    It is not `complete` if a batch was full, so that there may be more.
    """

    expired: int
    quarantined: int
    complete: bool = True


def sweep(
    connection: Connection,
    *,
    max_attempts: int,
    republish_after_s: float,
    limit: int,
    republish_lost: bool = True,
    batch: int = BATCH_JOBS,
) -> SweepResult | None:
    """Expire and quarantine jobs, end expired leases, and take at most `limit` due jobs.

    Of each change, `batch` jobs at most: the caller sweeps again until the result is complete.

    Due jobs are marked as published. A job is due if its wake-up was never sent or, with
    `republish_lost`, was sent more than `republish_after_s` ago. Returns None if another sweeper is
    running. The caller publishes after the commit; if it dies in between, the jobs are due again
    `republish_after_s` later.
    """
    if not try_lock(connection, Lock.SWEEP):
        return None
    parameters = {"batch": batch, "max_attempts": max_attempts}
    changed = [
        connection.execute(statement, parameters).rowcount
        for statement in (EXPIRE, QUARANTINE, END_LEASES)
    ]
    due = connection.execute(
        DUE,
        {
            "republish_after_s": republish_after_s,
            "limit": limit,
            "republish_lost": republish_lost,
        },
    )
    expired, quarantined, _ = changed
    return SweepResult(due_jobs(due), expired, quarantined, complete=max(changed) < batch)
