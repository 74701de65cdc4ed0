"""Retention: the texts of jobs that ended long ago are deleted, their rows are kept."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime

from sqlalchemy import Engine, text

from plumbline_client.states import TERMINAL

BATCH = 5_000

# A job ends after its creation, so the index on created_at finds the old ones. Each batch resumes
# where the previous one stopped and holds its locks for one short transaction.
OLD = text("""
SELECT id, created_at FROM plumbline.jobs
WHERE created_at < :before AND (created_at, id) > (:after, :after_id)
  AND text IS NOT NULL AND finished_at < :before AND state = ANY (CAST(:ended AS text[]))
ORDER BY created_at, id LIMIT :batch
""")

# A worker of an earlier release may have quoted the text in the error of a quarantined job.
PURGE = text("""
UPDATE plumbline.jobs
SET text = NULL,
    error = CASE WHEN state = 'quarantined' THEN plumbline.without_message(error) ELSE error END
WHERE id = ANY (CAST(:ids AS uuid[])) AND text IS NOT NULL
""")


def purge_texts(engine: Engine, before: datetime, batch: int = BATCH) -> Iterator[int]:
    """Delete the texts of jobs that ended before `before`; yield the count of each batch.

    Whatever an error quotes of them goes as well.

    Id, key, hash, state and predictions stay, so a key that is submitted again is still the same
    job.
    """
    after, after_id = datetime.min.replace(tzinfo=UTC), uuid.UUID(int=0)
    while True:
        with engine.begin() as connection:
            rows = connection.execute(
                OLD,
                {
                    "before": before,
                    "after": after,
                    "after_id": after_id,
                    "ended": sorted(TERMINAL),
                    "batch": batch,
                },
            ).all()
            if not rows:
                return
            purged = connection.execute(PURGE, {"ids": [row.id for row in rows]}).rowcount
        after, after_id = rows[-1].created_at, rows[-1].id
        yield purged
