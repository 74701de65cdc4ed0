"""Claiming jobs: a worker takes leases on the jobs of one message."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text

from plumbline_client.new_job import DEADLINE, DOCUMENT_COLUMNS, NewJob, to_document
from plumbline_client.statements import QUEUED
from storage.direct import Executor
from storage.serving.deployments import NEWEST_DEPLOYMENT, Serving

DEADLINE_PASSED = "its deadline passed before it was scored"


@dataclass(frozen=True, slots=True)
class Lease:
    """A claimed text, and the fencing token that proves the lease is still valid.

    `serving` is the deployment at the time of the claim, the same for all texts of a message.
    """

    id: uuid.UUID
    fence: int
    text: str
    notes: tuple[str, ...]
    queue_ms: float
    serving: Serving | None = None


# `arrived` inserts the texts that the message carries; `taken` leases jobs that the ledger already
# has. Both see the same snapshot, so no row is touched twice.
# A claim takes only queued jobs, because only the sweeper ends another worker's lease. A suspect, a
# job whose worker died (attempts > 0), is claimed only by a message that names no other job.
# The commit does not wait for the disk if the ledger already has all the texts: decisions/0012.
CLAIM = text(f"""
WITH arriving AS (
    SELECT *, CASE WHEN error IS NOT NULL THEN 'rejected'
                   WHEN {DEADLINE} <= now() THEN 'expired' ELSE 'leased' END AS state
    FROM json_to_recordset(CAST(:jobs AS json)) AS new ({DOCUMENT_COLUMNS})
), waiting AS (
    SELECT id FROM plumbline.jobs AS jobs
    WHERE id = ANY (CAST(:known AS uuid[])) AND {QUEUED} AND (attempts = 0 OR :alone)
    ORDER BY id FOR UPDATE SKIP LOCKED
), arrived AS (
    INSERT INTO plumbline.jobs
        (id, source, key, text, text_sha256, notes, deadline, error, state, published_at,
         attempts, fence, lease_until, started_at, finished_at)
    SELECT id, source, key, text, text_sha256, notes, {DEADLINE},
           CASE WHEN state = 'expired' THEN '{DEADLINE_PASSED}' ELSE error END,
           state, now(), 1, 1,
           CASE WHEN state = 'leased' THEN now() + make_interval(secs => :lease_s) END,
           CASE WHEN state = 'leased' THEN now() END,
           CASE WHEN state <> 'leased' THEN now() END
    FROM arriving
    ORDER BY id
    ON CONFLICT (id) DO NOTHING
    RETURNING id, fence, text, notes, state, created_at
), taken AS (
    UPDATE plumbline.jobs AS jobs
    SET state = 'leased', attempts = jobs.attempts + 1, fence = jobs.fence + 1, started_at = now(),
        lease_until = now() + make_interval(secs => :lease_s)
    FROM waiting
    WHERE jobs.id = ANY (CAST(:known AS uuid[])) AND jobs.id = waiting.id
      AND (jobs.deadline IS NULL OR jobs.deadline > now())
    RETURNING jobs.id, jobs.fence, jobs.text, jobs.notes, jobs.state, jobs.created_at
)
SELECT leased.id, fence, text, notes,
       CAST(1000.0 * extract(epoch FROM now() - created_at) AS float8) AS queue_ms,
       serving.model AS live, serving.shadow, serving.canary, serving.canary_share
FROM (SELECT set_config('synchronous_commit',
                        CASE WHEN :arrives THEN current_setting('synchronous_commit')
                             ELSE 'off' END, true)) AS commit
CROSS JOIN (SELECT * FROM arrived UNION ALL SELECT * FROM taken) AS leased
LEFT JOIN ({NEWEST_DEPLOYMENT}) AS serving ON true
WHERE state = 'leased'
""")


def claim(
    connection: Executor,
    arriving: Sequence[NewJob],
    known: Sequence[uuid.UUID],
    lease_s: float,
) -> list[Lease]:
    """Lease the unfinished jobs of one message and count the attempt.

    `arriving` are the texts that the message carries, `known` the ids that it names. A text that is
    already in the ledger is looked up by its id. Jobs that another worker holds, and jobs that have
    ended, are not returned. `storage.jobs.leases.renew` extends the lease beyond `lease_s`.
    """
    ids = {*known, *(job.id for job in arriving)}
    claimed = connection.execute(
        CLAIM,
        {
            "jobs": to_document(arriving),
            "arrives": bool(arriving),
            "known": uuid_array(ids),
            "alone": len(ids) == 1,
            "lease_s": lease_s,
        },
    )
    rows = list(claimed)
    serving = _serving(rows[0]) if rows else None
    return [
        Lease(row.id, row.fence, row.text, tuple(row.notes), row.queue_ms, serving) for row in rows
    ]


def uuid_array(ids: Iterable[uuid.UUID]) -> str:
    """Return an array literal: psycopg encodes a list of UUIDs element by element."""
    return "{" + ",".join(map(str, ids)) + "}"


def _serving(row: Any) -> Serving | None:
    if row.live is None:
        return None
    return Serving(row.live, row.shadow, row.canary, row.canary_share or 0.0)
