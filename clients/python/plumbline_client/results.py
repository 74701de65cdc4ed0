"""Results as the view `plumbline.results` shows them."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from plumbline_client.durations import storable_duration
from plumbline_client.review import review_reason
from plumbline_client.states import JobState


@dataclass(frozen=True, slots=True)
class Result:
    """One job with its live prediction; the prediction's fields are None until it is scored.

    `notes` name what was replaced in the text, and what the model could not read of it.
    """

    job_id: uuid.UUID
    source: str
    key: str | None
    state: JobState
    error: str | None
    notes: list[str]
    attempts: int
    created_at: datetime
    finished_at: datetime | None
    model: str | None
    probability: float | None
    label: str | None
    confidence: float | None
    decision: str | None
    tokens: int | None
    windows: int | None
    queue_ms: float | None
    score_ms: float | None
    scored_at: datetime | None
    text: str | None

    @property
    def review_reason(self) -> str | None:
        """Why the decision is `review`, in words; None if it is not."""
        return review_reason(self.decision, self.notes)

    @classmethod
    def from_row(cls, row: Sequence[Any]) -> Result:
        """Build a result from a row of `statements.FIND_RESULTS`."""
        job_id, source, key, state, *rest = row
        return cls(job_id, source, key, JobState(state), *rest)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultFilter:
    """The conditions that a result must meet; None sets no condition.

    `since` and `until` (exclusive) refer to the acceptance. A timedelta is that long ago, by the
    clock of PostgreSQL.
    """

    ids: Sequence[uuid.UUID] | None = None
    source: str | None = None
    state: str | None = None
    decision: str | None = None
    model: str | None = None
    since: datetime | timedelta | None = None
    until: datetime | timedelta | None = None

    def parameters(self, limit: int | None) -> dict[str, Any]:
        """Return the parameters of `statements.FIND_RESULTS`; a `limit` of None returns all."""
        return {
            "ids": list(self.ids) if self.ids is not None else None,
            "source": self.source,
            "state": self.state,
            "decision": self.decision,
            "model": self.model,
            **_bounds("since", self.since),
            **_bounds("until", self.until),
            "limit": limit,
        }


def _bounds(name: str, time: datetime | timedelta | None) -> dict[str, Any]:
    ago = time if isinstance(time, timedelta) else None
    return {name: None if ago is not None else time, f"{name}_ago": ago and storable_duration(ago)}
