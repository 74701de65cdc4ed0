"""Retention: what is deleted of jobs that ended long ago. Their own rows stay, for ever.

First the texts, then the predictions and labels. What remains of a job is its identity: its id,
source and key, the keyed hash of its text, its state and its times.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime

from sqlalchemy import Engine, text

from plumbline_client.states import TERMINAL

BATCH = 5_000

# A job ends after its creation, so the index on created_at finds the old ones. Each batch resumes
# where the previous one stopped, reads so many jobs, whether or not they still have their texts,
# and holds its locks for one short transaction.
OLD = text("""
SELECT id, created_at,
       text IS NOT NULL AND finished_at < :before AND state = ANY (CAST(:ended AS text[])) AS purges
FROM plumbline.jobs
WHERE created_at < :before AND (created_at, id) > (:after, :after_id)
ORDER BY created_at, id LIMIT :batch
""")

# A worker of an earlier release may have quoted the text in the error of a quarantined job.
PURGE = text("""
UPDATE plumbline.jobs
SET text = NULL,
    error = CASE WHEN state = 'quarantined' THEN plumbline.without_message(error) ELSE error END
WHERE id = ANY (CAST(:ids AS uuid[])) AND text IS NOT NULL
""")

# What is deleted leaves entries in the index until the next vacuum, so each batch resumes where the
# previous one stopped. Nothing refers to a prediction, and no prediction ever changes.
PURGE_PREDICTIONS = text("""
WITH old AS MATERIALIZED (
    SELECT ctid, job_id, scored_at FROM plumbline.predictions
    WHERE scored_at < :before AND (scored_at, job_id) > (:after, :after_id)
    ORDER BY scored_at, job_id LIMIT :batch
), deleted AS (
    DELETE FROM plumbline.predictions
    WHERE ctid = ANY (ARRAY(SELECT ctid FROM old)) RETURNING job_id
), unlabelled AS (
    DELETE FROM plumbline.labels WHERE job_id = ANY (ARRAY(SELECT job_id FROM deleted))
)
SELECT (SELECT count(*) FROM deleted), scored_at, job_id
FROM old ORDER BY scored_at DESC, job_id DESC LIMIT 1
""")
# A batch that a crash of the server undoes is deleted by the next run.
NO_WAIT_FOR_DISK = text("SET LOCAL synchronous_commit = off")


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
            old = [row.id for row in rows if row.purges]
            purged = connection.execute(PURGE, {"ids": old}).rowcount if old else 0
        after, after_id = rows[-1].created_at, rows[-1].id
        if purged:
            yield purged


def purge_predictions(engine: Engine, before: datetime, batch: int = BATCH) -> Iterator[int]:
    """Delete predictions made before `before`, and their jobs' labels; yield each batch's count.

    The jobs stay, so that a key that is submitted again is still the same job. An interrupted run
    is resumed by the next one. Two runs at once, workers and reports do not disturb each other.
    """
    after, after_id = datetime.min.replace(tzinfo=UTC), uuid.UUID(int=0)
    while True:
        parameters = {"before": before, "after": after, "after_id": after_id, "batch": batch}
        with engine.begin() as connection:
            connection.execute(NO_WAIT_FOR_DISK)
            row = connection.execute(PURGE_PREDICTIONS, parameters).one_or_none()
        if row is None:
            return
        deleted, after, after_id = row
        yield deleted
