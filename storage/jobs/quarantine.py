"""The quarantine: jobs that were given up, to be inspected, replayed or discarded by a person."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from plumbline_client.states import JobState
from plumbline_client.wake_ups import QueuedJob
from storage.index_conditions import SET_ASIDE


def given_up(reason: str) -> str:
    """Return SQL for the error of a job that has used up its attempts; `reason` is SQL as well."""
    return f"format('given up after %s attempts: %s', attempts, {reason})"


# The second condition is implied by the first; it lets the planner use `jobs_set_aside_idx`.
COUNT = text(f"""
SELECT count(*) FROM plumbline.jobs
WHERE state = 'quarantined' AND {SET_ASIDE}
""")

LIST = text("""
SELECT id, source, key, text, attempts, error, created_at, finished_at
FROM plumbline.jobs
WHERE state = 'quarantined' AND (CAST(:source AS text) IS NULL OR source = :source)
ORDER BY finished_at DESC, id
LIMIT :limit
""")

LOCK_JOBS = text("""
SELECT id, state, text IS NOT NULL AS has_text
FROM plumbline.jobs WHERE id = ANY (CAST(:ids AS uuid[])) FOR UPDATE
""")

# A batch of jobs, so that no transaction holds many rows for long. Those that are given up again
# after `before` are not replayed for ever.
SELECTED = f"""
    id IN (
        SELECT id FROM plumbline.jobs
        WHERE state = 'quarantined' AND {SET_ASIDE}
          AND text IS NOT NULL AND (CAST(:before AS timestamptz) IS NULL OR finished_at <= :before)
          AND (CAST(:ids AS uuid[]) IS NULL OR id = ANY (CAST(:ids AS uuid[])))
          AND (CAST(:source AS text) IS NULL OR source = :source)
        LIMIT :batch FOR UPDATE SKIP LOCKED)
"""
BATCH = 5_000

# `published_at` is set because the caller publishes the jobs; it clears it if Redis is away. The
# fence stays, so that a worker that was only slow cannot finish the job.
REPLAY = text(f"""
UPDATE plumbline.jobs
SET state = 'queued', attempts = 0, error = NULL, finished_at = NULL, published_at = now()
WHERE {SELECTED}
RETURNING id, source, octet_length(text) AS size
""")

# A worker of an earlier release may have quoted the text in the error.
DISCARD = text(f"""
UPDATE plumbline.jobs
SET text = NULL,
    error = format('discarded by %s; %s', CAST(:by AS text), plumbline.without_message(error))
WHERE {SELECTED}
RETURNING id
""")


@dataclass(frozen=True, slots=True)
class QuarantinedJob:
    """A quarantined job; `text` is None if it was discarded or purged by retention."""

    id: uuid.UUID
    source: str
    key: str | None
    text: str | None
    attempts: int
    error: str
    created_at: datetime
    finished_at: datetime


@dataclass(frozen=True, slots=True)
class Selection:
    """The quarantined jobs with these ids, of this source; None sets no condition.

    With `before`, only those that were given up until then.
    """

    ids: Sequence[uuid.UUID] | None
    source: str | None
    before: datetime | None = None
    batch: int = BATCH

    def parameters(self) -> dict[str, object]:
        return {
            "ids": None if self.ids is None else list(self.ids),
            "source": self.source,
            "before": self.before,
            "batch": self.batch,
        }


def count_quarantined(connection: Connection) -> int:
    """Count along an index, at a cost that does not grow with the history."""
    count: int = connection.execute(COUNT).scalar_one()
    return count


def list_quarantined(
    connection: Connection, source: str | None = None, limit: int = 100
) -> list[QuarantinedJob]:
    """Return the jobs that were quarantined last, the newest first."""
    rows = connection.execute(LIST, {"source": source, "limit": limit})
    return [QuarantinedJob(*row) for row in rows]


def lock_jobs(
    connection: Connection, ids: Sequence[uuid.UUID]
) -> dict[uuid.UUID, tuple[JobState, bool]]:
    """Lock jobs until the transaction ends; return each one's state and whether it has a text."""
    rows = connection.execute(LOCK_JOBS, {"ids": list(ids)})
    return {row.id: (JobState(row.state), row.has_text) for row in rows}


def replay(connection: Connection, selection: Selection) -> list[QueuedJob]:
    """Requeue a batch as if it had never been tried; return the jobs for the caller to publish.

    Jobs without a text stay in quarantine, because there is nothing to score.
    """
    rows = connection.execute(REPLAY, selection.parameters())
    return [QueuedJob(row.id, row.source, row.size) for row in rows]


def discard(connection: Connection, selection: Selection, by: str) -> list[uuid.UUID]:
    """Delete a batch of texts for good and record in each row who did it; return the jobs' ids.

    The jobs stay in quarantine, so that their keys remain taken.
    """
    return [row.id for row in connection.execute(DISCARD, selection.parameters() | {"by": by})]
