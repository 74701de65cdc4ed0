"""The sweeper's decisions: nothing waits for ever, and no text is tried for ever."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, text

from storage.jobs.outbox import DueJobs

# Any constant will do, as long as every sweeper takes the same one.
ADVISORY_LOCK = 0x706C756D62

EXPIRE = text("""
UPDATE plumbline.jobs
SET state = 'expired', lease_until = NULL, finished_at = now(),
    error = 'its deadline passed before it was scored'
WHERE deadline <= now()
  AND (state = 'queued' OR (state = 'leased' AND lease_until <= now()))
""")

QUARANTINE = text("""
UPDATE plumbline.jobs
SET state = 'quarantined', lease_until = NULL, finished_at = now(),
    error = format('given up after %s attempts: %s', attempts,
                   coalesce(error, 'its worker died or did not finish in time'))
WHERE attempts >= :max_attempts
  AND ((state = 'leased' AND lease_until <= now())
       OR (state = 'queued' AND published_at IS NULL AND error IS NOT NULL))
""")

END_LEASES = text("""
UPDATE plumbline.jobs
SET state = 'queued', lease_until = NULL, published_at = NULL,
    error = 'its worker died or did not finish in time'
WHERE state = 'leased' AND lease_until <= now()
""")

# Two reads, each along the index: with a million waiting, sorting them would take seconds.
DUE = text("""
WITH never AS (
    SELECT id FROM plumbline.jobs
    WHERE state = 'queued' AND published_at IS NULL
    LIMIT :most FOR UPDATE SKIP LOCKED
), lost AS (
    SELECT id FROM plumbline.jobs
    WHERE state = 'queued' AND :lost
      AND published_at <= now() - make_interval(secs => :republish_after_s)
    ORDER BY published_at
    LIMIT :most - (SELECT count(*) FROM never) FOR UPDATE SKIP LOCKED
)
UPDATE plumbline.jobs AS jobs SET published_at = now()
FROM (SELECT id FROM never UNION ALL SELECT id FROM lost) AS due
WHERE jobs.id = due.id
RETURNING jobs.id, jobs.attempts
""")


@dataclass(frozen=True, slots=True)
class SweepResult(DueJobs):
    """What one sweep changed, beside the jobs whose wake-up must be sent."""

    expired: int
    quarantined: int


def sweep(
    connection: Connection,
    *,
    max_attempts: int,
    republish_after_s: float,
    most: int,
    lost: bool = True,
) -> SweepResult | None:
    """Expire, quarantine, end dead leases, and mark as published at most `most` jobs that are due.

    Due is what was never published and, if `lost`, what was so `republish_after_s` ago. Returns
    None where another sweeper is at work. The caller publishes after the commit: if it dies in
    between, the jobs are due again `republish_after_s` later.
    """
    locked = connection.execute(
        text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK}
    ).scalar_one()
    if not locked:
        return None
    expired = connection.execute(EXPIRE).rowcount
    quarantined = connection.execute(QUARANTINE, {"max_attempts": max_attempts}).rowcount
    connection.execute(END_LEASES)
    due = connection.execute(
        DUE, {"republish_after_s": republish_after_s, "most": most, "lost": lost}
    ).all()
    return SweepResult(
        expired=expired,
        quarantined=quarantined,
        fresh=[row.id for row in due if row.attempts == 0],
        suspects=[row.id for row in due if row.attempts > 0],
    )
