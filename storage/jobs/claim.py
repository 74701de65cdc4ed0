"""Claiming jobs: a worker takes leases on the jobs of one message."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text

from plumbline_client.new_job import DEADLINE, DOCUMENT_COLUMNS, NewJob, to_document
from storage.direct import Executor
from storage.jobs.queue import IS_DUE, WAITS_SINCE
from storage.jobs.text_hashes import JOB_HASH, keyed_hash
from storage.serving.deployments import Serving
from storage.serving.newest import NEWEST_DEPLOYMENT

# PostgreSQL keeps the plan it made while the table was small until the table is next analyzed. No
# index has this expression, so jobs are looked up by id even then.
QUEUED = "jobs.state || '' = 'queued'"
DEADLINE_PASSED = "its deadline passed before it was scored"


@dataclass(frozen=True, slots=True)
class Lease:
    """A claimed text, and the fencing token that proves the lease is still valid.

    `serving` is the deployment at the time of the claim, the same for all texts of a message. The
    text `arrived` if the claim itself brought it into the ledger.
    """

    id: uuid.UUID
    fence: int
    text: str
    notes: tuple[str, ...]
    queue_ms: float
    serving: Serving | None = None
    arrived: bool = False


# Leases jobs that the ledger already has. A claim takes only queued jobs, because only the sweeper
# ends another worker's lease. A suspect, a job whose worker died (attempts > 0), is claimed only by
# a message that names no other job. A join of the two would look up each job by the whole list.
TAKE = f"""
waiting AS (
    SELECT id FROM plumbline.jobs AS jobs
    WHERE id = ANY ({{ids}})
      AND {QUEUED} AND {IS_DUE} AND (attempts = 0 OR :alone)
    ORDER BY id FOR UPDATE SKIP LOCKED
), taken AS (
    UPDATE plumbline.jobs AS jobs
    SET state = 'leased', attempts = jobs.attempts + 1, fence = jobs.fence + 1, started_at = now(),
        lease_until = now() + make_interval(secs => :lease_s)
    WHERE jobs.id = ANY (ARRAY(SELECT id FROM waiting))
      AND (jobs.deadline IS NULL OR jobs.deadline > now())
    RETURNING jobs.id, jobs.fence, jobs.text, jobs.notes, jobs.state,
              {WAITS_SINCE} AS waits_since, false AS arrived
)
"""
LEASES = f"""
SELECT leased.id, fence, text, notes, arrived,
       CAST(1000.0 * extract(epoch FROM now() - waits_since) AS float8) AS queue_ms,
       serving.model AS live, serving.shadow, serving.canary, serving.canary_share
FROM {{first}} CROSS JOIN ({{leased}}) AS leased
LEFT JOIN ({NEWEST_DEPLOYMENT}) AS serving ON true
WHERE state = 'leased'
"""

# Most messages name jobs that the ledger has. Their claim does not wait for the disk, because the
# texts are safe without it: decisions/0012.
CLAIM_KNOWN = text(
    "WITH"
    + TAKE.format(ids="CAST(:known AS uuid[])")
    + LEASES.format(
        first="(SELECT set_config('synchronous_commit', 'off', true)) AS commit",
        leased="SELECT * FROM taken",
    )
)

# `arrived` inserts the texts that the message carries. `taken` sees the same snapshot, so no row is
# touched twice. A text that an earlier release has inserted under a `former` id is that job.
CLAIM = text(
    f"""
WITH arriving AS (
    SELECT *, {keyed_hash("text_sha256")} AS text_hash,
           CASE WHEN error IS NOT NULL THEN 'rejected'
                WHEN {DEADLINE} <= now() THEN 'expired'
                WHEN not_before > now() THEN 'queued' ELSE 'leased' END AS state
    FROM json_to_recordset(CAST(:jobs AS json)) AS new ({DOCUMENT_COLUMNS})
), former AS (
    SELECT jobs.id, arriving.id AS arriving_id
    FROM arriving JOIN plumbline.jobs AS jobs ON jobs.id = arriving.former_id
    WHERE jobs.source = arriving.source AND arriving.text_hash = {JOB_HASH}
), arrived AS (
    INSERT INTO plumbline.jobs
        (id, source, key, text, text_hash, notes, deadline, error, state, published_at,
         attempts, fence, lease_until, started_at, finished_at, not_before)
    SELECT id, source, key, text, text_hash, notes, {DEADLINE},
           CASE WHEN state = 'expired' THEN '{DEADLINE_PASSED}' ELSE error END,
           state, CASE WHEN state <> 'queued' THEN now() END,
           CAST(state <> 'queued' AS int), CAST(state <> 'queued' AS int),
           CASE WHEN state = 'leased' THEN now() + make_interval(secs => :lease_s) END,
           CASE WHEN state = 'leased' THEN now() END,
           CASE WHEN state IN ('expired', 'rejected') THEN now() END, not_before
    FROM arriving
    WHERE id NOT IN (SELECT arriving_id FROM former)
    ORDER BY id
    ON CONFLICT (id) DO NOTHING
    RETURNING id, fence, text, notes, state, {WAITS_SINCE} AS waits_since, true AS arrived
), """
    + TAKE.format(ids="CAST(:known AS uuid[]) || ARRAY(SELECT id FROM former)")
    + LEASES.format(
        first="(VALUES (1)) AS one", leased="SELECT * FROM arrived UNION ALL SELECT * FROM taken"
    )
)

# A statement of its own, because the claim does not see what another transaction inserts meanwhile.
CONFLICTS = text(f"""
SELECT jobs.id
FROM json_to_recordset(CAST(:jobs AS json)) AS new (id uuid, text_sha256 bytea)
JOIN plumbline.jobs AS jobs ON jobs.id = new.id
WHERE {JOB_HASH} IS DISTINCT FROM {keyed_hash("new.text_sha256")}
""")


def claim(
    connection: Executor,
    arriving: Sequence[NewJob],
    known: Sequence[uuid.UUID],
    lease_s: float,
    *,
    alone: bool = True,
) -> list[Lease]:
    """Lease the unfinished jobs of one message and count the attempt.

    `arriving` are the texts that the message carries, `known` the ids that it names. A text that is
    already in the ledger is looked up by its id. Jobs that another worker holds, and jobs that have
    ended, are not returned. `storage.jobs.leases.renew` extends the lease beyond `lease_s`. `alone`
    is False for a part of a message, which names other jobs as well.
    """
    first = _first_of_each(arriving)
    ids = {*known, *first}
    parameters = {
        "known": uuid_array(ids),
        "alone": alone and len(ids) == 1,
        "lease_s": lease_s,
    }
    if arriving:
        parameters["jobs"] = to_document(list(first.values()))
    rows = list(connection.execute(CLAIM if arriving else CLAIM_KNOWN, parameters))
    serving = _serving(rows[0]) if rows else None
    return [
        Lease(row.id, row.fence, row.text, tuple(row.notes), row.queue_ms, serving, row.arrived)
        for row in rows
    ]


def conflicts(
    connection: Executor, arriving: Sequence[NewJob], leases: Sequence[Lease]
) -> list[NewJob]:
    """Return the arriving texts whose key belongs to another text, after their claim.

    The other text is in the ledger, or it is an earlier one of the same message.
    """
    first = _first_of_each(arriving)
    repeated = [job for job in arriving if job.text_sha256 != first[job.id].text_sha256]
    arrived = {lease.id for lease in leases if lease.arrived}
    if not (known := [job for job in first.values() if job.id not in arrived]):
        return repeated
    rows = connection.execute(CONFLICTS, {"jobs": to_document(known)})
    return [first[row.id] for row in rows] + repeated


def _first_of_each(jobs: Sequence[NewJob]) -> dict[uuid.UUID, NewJob]:
    return {job.id: job for job in reversed(jobs)}


def uuid_array(ids: Iterable[uuid.UUID]) -> str:
    """Return an array literal: psycopg encodes a list of UUIDs element by element."""
    return "{" + ",".join(map(str, ids)) + "}"


def _serving(row: Any) -> Serving | None:
    if row.live is None:
        return None
    return Serving(row.live, row.shadow, row.canary, row.canary_share or 0.0)
