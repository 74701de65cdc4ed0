"""Cancellation of all queued jobs of a source, however many they are."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime

from sqlalchemy import Connection, Engine, text

# A job that a worker is claiming at the same time is not cancelled.
CHOSEN = """
SELECT id, created_at FROM plumbline.jobs
WHERE source = :source AND created_at <= :before AND state = 'queued'
"""
COUNT = text(f"SELECT count(*) FROM ({CHOSEN}) AS chosen")
CANCEL = text(f"""
UPDATE plumbline.jobs AS jobs
SET state = 'cancelled', finished_at = now(), error = :reason
FROM (
    {CHOSEN} AND (created_at, id) > (:after, :after_id)
    ORDER BY created_at, id LIMIT :batch FOR UPDATE SKIP LOCKED
) AS chosen
WHERE jobs.id = chosen.id
RETURNING jobs.created_at, jobs.id
""")
# A producer or a worker that needs one of the rows waits for about a second at most.
BATCH = 5_000


def count_queued(connection: Connection, source: str, before: datetime) -> int:
    """Count the queued jobs of a source that were accepted until `before`."""
    count: int = connection.execute(COUNT, {"source": source, "before": before}).scalar_one()
    return count


def cancel_source(
    engine: Engine, source: str, before: datetime, reason: str, batch: int = BATCH
) -> Iterator[int]:
    """Cancel the queued jobs of a source that were accepted until `before`.

    Each batch is a transaction of its own; its count is yielded after the commit.
    """
    after, after_id = datetime.min.replace(tzinfo=UTC), uuid.UUID(int=0)
    while True:
        with engine.begin() as connection:
            cancelled = connection.execute(
                CANCEL,
                {
                    "source": source,
                    "before": before,
                    "reason": reason,
                    "after": after,
                    "after_id": after_id,
                    "batch": batch,
                },
            ).all()
        if not cancelled:
            return
        yield len(cancelled)
        after, after_id = max((row.created_at, row.id) for row in cancelled)
