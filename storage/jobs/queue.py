"""The length of the queue: how many jobs are queued and leased, and how old the oldest one is."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, text

# OFFSET 0 makes the planner read the few queued jobs by their own index. For min() alone it could
# instead walk through every job ever created, in order of creation, until it meets a queued one.
QUEUE_LENGTH = """
SELECT count(*) AS queued,
       (SELECT count(*) FROM plumbline.jobs WHERE state = 'leased') AS leased,
       CAST(extract(epoch FROM now() - min(created_at)) AS float8) AS oldest_queued_s
FROM (SELECT created_at FROM plumbline.jobs WHERE state = 'queued' OFFSET 0) AS queued
"""


@dataclass(frozen=True, slots=True)
class QueueLength:
    """`oldest_queued_s` is the age of the oldest queued job; None if no job is queued."""

    queued: int
    leased: int
    oldest_queued_s: float | None


def queue_length(connection: Connection) -> QueueLength:
    return QueueLength(*connection.execute(text(QUEUE_LENGTH)).one())
