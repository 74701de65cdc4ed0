"""Due jobs: queued jobs whose wake-up must be sent now, and how each of them travels."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from plumbline_client.wake_ups import QueuedJob

# The error of a job whose worker vanished without a crash report.
LEASE_EXPIRED = "its worker died or did not finish in time"

# For RETURNING. A text need not be read for its length in bytes, which is stored beside it.
COLUMNS = f"""
    jobs.id, jobs.source, coalesce(octet_length(jobs.text), 0) AS size, jobs.attempts,
    jobs.attempts > 1 OR (jobs.attempts > 0 AND jobs.error IS DISTINCT FROM '{LEASE_EXPIRED}')
        AS blamed
"""


@dataclass(frozen=True, slots=True)
class DueJob(QueuedJob):
    """A job is `blamed` if an attempt failed, or several ended with their worker.

    After a single attempt that ended with its worker, whatever the reason, any text of the message
    may be at fault, and most are not.
    """

    attempts: int
    blamed: bool


@dataclass(frozen=True, slots=True)
class DueJobs:
    """The due jobs. Those that were claimed before are suspects, and get one message each."""

    jobs: Sequence[DueJob]

    @property
    def fresh(self) -> list[uuid.UUID]:
        """Jobs that were never claimed, which may share a message."""
        return [job.id for job in self.jobs if job.attempts == 0]

    @property
    def suspects(self) -> list[uuid.UUID]:
        return [job.id for job in self.jobs if job.attempts > 0]


def due_jobs(rows: Iterable[Any]) -> list[DueJob]:
    """Return the jobs in rows with `COLUMNS`."""
    return [DueJob(row.id, row.source, row.size, row.attempts, row.blamed) for row in rows]
