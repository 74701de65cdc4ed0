"""Wake-ups: which jobs of the ledger share a message, and into which list it goes."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from plumbline_client.queues import (
    EXPRESS_MAX_BYTES,
    SUSPECT_QUEUE,
    lane,
    lane_of,
    queue_for,
)


@dataclass(frozen=True, slots=True)
class QueuedJob:
    """A job to wake a worker for. `size` is the length of its text in bytes of UTF-8."""

    id: uuid.UUID
    source: str
    size: int


@dataclass(frozen=True, slots=True)
class WakeUp:
    """One message: the jobs that it names, and the list for it, without the key prefix.

    A worker does not merge a message that is `alone` with others.
    """

    ids: Sequence[uuid.UUID]
    list_name: str
    alone: bool = False


def group(jobs: Iterable[QueuedJob], message_size: int) -> list[WakeUp]:
    """Group jobs into messages of at most `message_size`, those of a lane together.

    A text that is too long for the express queue travels alone, so that short ones do not wait for
    it.
    """
    long, short = [], dict[int, list[QueuedJob]]()
    for job in jobs:
        if job.size > EXPRESS_MAX_BYTES:
            long.append(job)
        else:
            short.setdefault(lane_of(job.source), []).append(job)
    together = [
        _wake_up(waiting[start : start + message_size], number)
        for number, waiting in short.items()
        for start in range(0, len(waiting), message_size)
    ]
    return together + alone(long)


def alone(jobs: Iterable[QueuedJob], queue: str | None = None) -> list[WakeUp]:
    """Return one message per job; in the queue for its length, unless another is named."""
    return [
        WakeUp([job.id], lane(queue or queue_for(1, job.size), lane_of(job.source)), alone=True)
        for job in jobs
    ]


def suspects(jobs: Iterable[QueuedJob]) -> list[WakeUp]:
    """Return one message per job: a text that ends its process takes no other text along."""
    return alone(jobs, SUSPECT_QUEUE)


def _wake_up(jobs: Sequence[QueuedJob], number: int) -> WakeUp:
    queue = queue_for(len(jobs), sum(job.size for job in jobs))
    return WakeUp([job.id for job in jobs], lane(queue, number))
