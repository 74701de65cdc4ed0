"""The length of the queue: how many jobs are queued and leased, and how long the oldest waits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

# A probe reads `WAITS_SINCE`, and does without SQLAlchemy.
if TYPE_CHECKING:
    from sqlalchemy import Connection

# Since when a queued job waits to be scored: a delayed one does so once it is due.
WAITS_SINCE = "greatest(created_at, not_before)"
# Whether a queued job is due, in the form that the index `jobs_unpublished_idx` has.
IS_DUE = "coalesce(not_before, '-infinity'::timestamptz) <= now()"

# OFFSET 0 makes the planner read the few queued jobs by their own index. For min() alone it could
# instead walk through every job ever created, in order of creation, until it meets a queued one.
QUEUE_LENGTH = f"""
SELECT count(*) AS queued,
       (SELECT count(*) FROM plumbline.jobs WHERE state = 'leased') AS leased,
       CAST(extract(epoch FROM now() - min(waits_since) FILTER (WHERE due)) AS float8)
           AS oldest_queued_s
FROM (SELECT {WAITS_SINCE} AS waits_since, {IS_DUE} AS due
        FROM plumbline.jobs WHERE state = 'queued' OFFSET 0) AS queued
"""


@dataclass(frozen=True, slots=True)
class QueueLength:
    """`oldest_queued_s` is how long the oldest due job has waited; None if no job is due."""

    queued: int
    leased: int
    oldest_queued_s: float | None


def queue_length(connection: Connection) -> QueueLength:
    return QueueLength(*connection.exec_driver_sql(QUEUE_LENGTH).one())
