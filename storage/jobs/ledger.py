"""The ledger's verbs: accept, claim, finish, release, reject.

Each is one statement, so each happens whole or not at all; every one of them changes only rows it
finds in the state it expects, so a message that comes twice or late changes nothing.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from plumbline_client.new_job import DOCUMENT_COLUMNS, NewJob, to_document
from plumbline_client.statements import QUEUED, UNPUBLISH
from plumbline_client.text import storable_error
from storage.direct import Executor
from storage.serving.deployments import Serving

# More than the column can count.
MANY_ATTEMPTS = 32_768


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
class NewPrediction:
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
HELD = "jobs.state || '' = 'leased'"

# Only the sweeper ends a lease, so a claim takes queued jobs alone; one that lost a worker before
# (attempts > 0) is taken only when it travels alone. `arrived` writes the texts that came with the
# message, `taken` leases those the ledger had already: the snapshot is the same for both, so a row
# is never touched twice.
# `commit` does not wait for the disk where the ledger has all the texts already: decisions/0012.
CLAIM = text(f"""
WITH arriving AS (
    SELECT *, CASE WHEN error IS NOT NULL THEN 'rejected'
                   WHEN deadline <= now() THEN 'expired' ELSE 'leased' END AS state
    FROM json_to_recordset(CAST(:jobs AS json)) AS new ({DOCUMENT_COLUMNS})
), waiting AS (
    SELECT id FROM plumbline.jobs AS jobs
    WHERE id = ANY (CAST(:known AS uuid[])) AND {QUEUED} AND (attempts = 0 OR :alone)
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
            "jobs": to_document(arriving),
            "arrives": bool(arriving),
            "known": _array(ids),
            "alone": len(ids) == 1,
            "lease_s": lease_s,
        },
    )
    rows = list(claimed)
    serving = _serving(rows[0]) if rows else None
    return [Lease(r.id, r.fence, r.text, tuple(r.notes), r.queue_ms, serving) for r in rows]


def finish(run: Executor, answers: Sequence[NewPrediction]) -> set[uuid.UUID]:
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
            "error": storable_error(error) if error is not None else None,
            "max_attempts": max_attempts,
        },
    )


def reject(run: Executor, lease: Lease, error: str) -> None:
    """End a leased job whose text cannot be scored."""
    run.execute(REJECT, {"id": lease.id, "fence": lease.fence, "error": storable_error(error)})


def unpublish(connection: Connection, ids: Sequence[uuid.UUID]) -> None:
    """Mark the wake-ups of these jobs as not sent, so that the next sweep sends them."""
    connection.exec_driver_sql(UNPUBLISH, {"ids": list(ids)})


def _fields(row: NewPrediction) -> dict[str, Any]:
    """As `asdict`, which takes four times as long, since it copies what is inside too."""
    return {name: getattr(row, name) for name in row.__slots__}


def _array(ids: Iterable[uuid.UUID]) -> str:
    return "{" + ",".join(map(str, ids)) + "}"


def _serving(row: Any) -> Serving | None:
    """What served at a claim; None before the first deployment."""
    if row.live is None:
        return None
    return Serving(row.live, row.shadow, row.canary, row.canary_share or 0.0)
