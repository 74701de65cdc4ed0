"""The ledger's verbs: accept, claim, finish, release, reject.

Each is one statement, so each happens whole or not at all; every one of them changes only rows it
finds in the state it expects, so a message that comes twice or late changes nothing.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text

from storage.direct import Executor
from storage.serving.deployments import Serving
from storage.states import JobState

LONGEST_ERROR = 1_000
# More than the column can count.
MANY_ATTEMPTS = 32_768


def text_hash(value: str) -> bytes:
    """SHA-256 of the UTF-8 text; a lone surrogate is hashed as the bytes it would have been."""
    return hashlib.sha256(value.encode("utf-8", "surrogatepass")).digest()


@dataclass(frozen=True, slots=True)
class NewJob:
    """A text as a door took it in. A refused one has `error` and no text."""

    id: uuid.UUID
    source: str
    text: str | None
    text_sha256: bytes
    key: str | None = None
    notes: tuple[str, ...] = ()
    deadline: datetime | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Lease:
    """A text to score now, and the fence that proves it is still ours when we finish.

    `serving` is what was deployed at the claim, the same for all texts of a message.
    """

    id: uuid.UUID
    fence: int
    text: str
    notes: tuple[str, ...]
    queue_ms: float
    serving: Serving | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """A leased text's answer, ready to be written. Fields as in `storage.tables.Prediction`."""

    id: uuid.UUID
    fence: int
    model: str
    probability: float
    label: str
    confidence: float
    decision: str
    ranked: list[dict[str, Any]]
    tokens: int
    windows: int
    window_rule: str
    features: dict[str, float]
    queue_ms: float
    score_ms: float


# PostgreSQL keeps the plan of a statement that it made when the table was small, until the table is
# next analyzed. So that jobs are found by id even then: no index has these expressions, where by
# the bare column it would look through all that wait; and the ids are named, where for a join alone
# it would look through all there are.
_QUEUED = "jobs.state || '' = 'queued'"
HELD = "jobs.state || '' = 'leased'"

# One JSON document and not one array a column: psycopg writes arrays element by element in Python.
_JOBS = """
    json_to_recordset(CAST(:jobs AS json)) AS new (
        id uuid, source text, key text, text text, text_sha256 bytea, notes text[],
        deadline timestamptz, error text)
"""

ACCEPT = text(f"""
INSERT INTO plumbline.jobs
    (id, source, key, text, text_sha256, notes, deadline, error, state, published_at, finished_at)
SELECT id, source, key, text, text_sha256, notes, deadline, error,
       CASE WHEN error IS NULL THEN 'queued' ELSE 'rejected' END,
       CASE WHEN error IS NULL THEN now() END,
       CASE WHEN error IS NOT NULL THEN now() END
FROM {_JOBS}
ORDER BY id
ON CONFLICT (id) DO NOTHING
RETURNING id
""")

STATES = text("SELECT id, state, error FROM plumbline.jobs WHERE id = ANY (CAST(:ids AS uuid[]))")

# Only the sweeper ends a lease, so a claim takes queued jobs alone; one that lost a worker before
# (attempts > 0) is taken only when it travels alone. `arrived` writes the texts that came with the
# message, `taken` leases those the ledger had already: the snapshot is the same for both, so a row
# is never touched twice.
# `commit` does not wait for the disk where the ledger has all the texts already: decisions/0012.
CLAIM = text(f"""
WITH arriving AS (
    SELECT *, CASE WHEN error IS NOT NULL THEN 'rejected'
                   WHEN deadline <= now() THEN 'expired' ELSE 'leased' END AS state
    FROM {_JOBS}
), waiting AS (
    SELECT id FROM plumbline.jobs AS jobs
    WHERE id = ANY (CAST(:known AS uuid[])) AND {_QUEUED} AND (attempts = 0 OR :alone)
    ORDER BY id FOR UPDATE SKIP LOCKED
), arrived AS (
    INSERT INTO plumbline.jobs
        (id, source, key, text, text_sha256, notes, deadline, error, state, published_at,
         attempts, fence, lease_until, started_at, finished_at)
    SELECT id, source, key, text, text_sha256, notes, deadline,
           CASE WHEN state = 'expired' THEN 'its deadline passed before it was scored'
                ELSE error END,
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
LEFT JOIN (SELECT * FROM plumbline.deployments ORDER BY id DESC LIMIT 1) AS serving ON true
WHERE state = 'leased'
""")

# The fence is compared under the row's lock, so of two workers that hold the same job only the one
# that claimed it last can write its score.
FINISH = text(f"""
WITH answers AS (
    SELECT * FROM json_to_recordset(CAST(:answers AS json)) AS answer (
        id uuid, fence bigint, model text, probability float8, label text, confidence float8,
        decision text, ranked jsonb, tokens int, windows int, window_rule text, features jsonb,
        queue_ms float8, score_ms float8)
), done AS (
    UPDATE plumbline.jobs AS jobs
    SET state = 'scored', lease_until = NULL, error = NULL, finished_at = now()
    FROM answers
    WHERE jobs.id = ANY (CAST(:ids AS uuid[])) AND {HELD}
      AND jobs.id = answers.id AND jobs.fence = answers.fence
    RETURNING jobs.id
)
INSERT INTO plumbline.predictions
    (job_id, role, model, probability, label, confidence, decision, ranked, tokens, windows,
     window_rule, features, queue_ms, score_ms)
SELECT id, 'live', model, probability, label, confidence, decision, ranked, tokens, windows,
       window_rule, features, queue_ms, score_ms
FROM answers JOIN done USING (id)
RETURNING job_id
""")

# A released job has no wake-up under way, which the sweeper sees by published_at being null. Its
# last attempt ends here and not at the sweep: an older wake-up would make one attempt more.
RELEASE = text(f"""
UPDATE plumbline.jobs AS jobs
SET state = CASE WHEN attempts >= :max_attempts THEN 'quarantined' ELSE 'queued' END,
    finished_at = CASE WHEN attempts >= :max_attempts THEN now() END,
    error = CASE WHEN attempts >= :max_attempts
                 THEN format('given up after %s attempts: %s', attempts,
                             coalesce(CAST(:error AS text), 'no reason given'))
                 ELSE :error END,
    lease_until = NULL, published_at = NULL
WHERE id = :id AND fence = :fence AND {HELD}
""")

REJECT = text(f"""
UPDATE plumbline.jobs AS jobs
SET state = 'rejected', lease_until = NULL, finished_at = now(), error = :error
WHERE id = :id AND fence = :fence AND {HELD}
""")

CANCEL = text(f"""
UPDATE plumbline.jobs AS jobs
SET state = 'cancelled', finished_at = now(), error = :reason
WHERE id = ANY (CAST(:ids AS uuid[])) AND {_QUEUED}
RETURNING id
""")

UNPUBLISH = text(f"""
UPDATE plumbline.jobs AS jobs SET published_at = NULL
WHERE id = ANY (CAST(:ids AS uuid[])) AND {_QUEUED}
""")


def accept(run: Executor, jobs: Sequence[NewJob]) -> set[uuid.UUID]:
    """Write jobs that are new, refused ones as `rejected`; return the ids that were not there."""
    rows = run.execute(ACCEPT, {"jobs": _document(jobs)})
    return {row.id for row in rows}


def states(run: Executor, ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, tuple[JobState, str | None]]:
    """Return (state, error) of each job the ledger has."""
    rows = run.execute(STATES, {"ids": list(ids)})
    return {row.id: (JobState(row.state), row.error) for row in rows}


def claim(
    run: Executor,
    arriving: Sequence[NewJob],
    known: Sequence[uuid.UUID],
    lease_s: float,
) -> list[Lease]:
    """Lease what of one message is still to be done, and count the attempt.

    `arriving` are texts the message brought, `known` ids it named; a text that came before is found
    by its id like any other. What another worker holds or has finished is not returned. The lease
    lasts `lease_s`; whoever scores renews it (`storage.jobs.leases.renew`).
    """
    ids = {*known, *(job.id for job in arriving)}
    claimed = run.execute(
        CLAIM,
        {
            "jobs": _document(arriving),
            "arrives": bool(arriving),
            "known": _array(ids),
            "alone": len(ids) == 1,
            "lease_s": lease_s,
        },
    )
    rows = list(claimed)
    serving = _serving(rows[0]) if rows else None
    return [Lease(r.id, r.fence, r.text, tuple(r.notes), r.queue_ms, serving) for r in rows]


def finish(run: Executor, answers: Sequence[Finished]) -> set[uuid.UUID]:
    """Write predictions and mark their jobs scored; return those that were still ours to finish."""
    if not answers:
        return set()
    body = json.dumps([_fields(answer) for answer in answers], default=str)
    ids = _array(answer.id for answer in answers)
    return {row.job_id for row in run.execute(FINISH, {"answers": body, "ids": ids})}


def release(
    run: Executor,
    lease: Lease,
    error: str | None = None,
    max_attempts: int = MANY_ATTEMPTS,
) -> None:
    """Give a leased job back, to be sent again by the next sweep; the attempt stays counted, and
    the last of `max_attempts` ends in quarantine.
    """
    run.execute(
        RELEASE,
        {
            "id": lease.id,
            "fence": lease.fence,
            "error": _storable(error) if error is not None else None,
            "max_attempts": max_attempts,
        },
    )


def reject(run: Executor, lease: Lease, error: str) -> None:
    """End a leased job whose text cannot be scored."""
    run.execute(REJECT, {"id": lease.id, "fence": lease.fence, "error": _storable(error)})


def cancel(run: Executor, ids: Sequence[uuid.UUID], reason: str) -> set[uuid.UUID]:
    """End jobs that still wait; return those that did. What is leased or has ended stays so."""
    rows = run.execute(CANCEL, {"ids": list(ids), "reason": _storable(reason)})
    return {row.id for row in rows}


def unpublish(run: Executor, ids: Sequence[uuid.UUID]) -> None:
    """Say that the wake-up of these jobs was not sent, so the next sweep sends it."""
    run.execute(UNPUBLISH, {"ids": list(ids)})


def _document(jobs: Sequence[NewJob]) -> str:
    unique = {job.id: job for job in reversed(jobs)}.values()
    hashes = ({"text_sha256": f"\\x{job.text_sha256.hex()}"} for job in unique)
    return json.dumps(
        [_fields(job) | sha for job, sha in zip(unique, hashes, strict=True)], default=str
    )


def _fields(row: NewJob | Finished) -> dict[str, Any]:
    """As `asdict`, which takes four times as long, since it copies what is inside too."""
    return {name: getattr(row, name) for name in row.__slots__}


def _array(ids: Iterable[uuid.UUID]) -> str:
    return "{" + ",".join(map(str, ids)) + "}"


def _serving(row: Any) -> Serving | None:
    """What served at a claim; None before the first deployment."""
    if row.live is None:
        return None
    return Serving(row.live, row.shadow, row.canary, row.canary_share or 0.0)


def _storable(error: str) -> str:
    """An error may quote the text that caused it; PostgreSQL holds neither NUL nor surrogates."""
    return error[:LONGEST_ERROR].replace("\0", "\\0").encode(errors="backslashreplace").decode()
