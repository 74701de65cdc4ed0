"""The states of a job: one list for SQL, Python and the documentation."""

from __future__ import annotations

from enum import StrEnum


class JobState(StrEnum):
    QUEUED = "queued"
    LEASED = "leased"
    SCORED = "scored"
    EXPIRED = "expired"
    QUARANTINED = "quarantined"
    CANCELLED = "cancelled"
    REJECTED = "rejected"


TERMINAL = frozenset(JobState) - {JobState.QUEUED, JobState.LEASED}
