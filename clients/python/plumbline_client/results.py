"""Results as the view `plumbline.results` shows them."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from plumbline_client.states import JobState


@dataclass(frozen=True, slots=True)
class Result:
    """One job with its live prediction; the prediction's fields are None until it is scored."""

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

    @classmethod
    def from_row(cls, row: Sequence[Any]) -> Result:
        """Build a result from a row of `statements.FIND_RESULTS`."""
        job_id, source, key, state, *rest = row
        return cls(job_id, source, key, JobState(state), *rest)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultFilter:
    """The conditions a result must meet; None is no condition."""

    ids: Sequence[uuid.UUID] | None = None
    source: str | None = None
    state: str | None = None
    decision: str | None = None
    model: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def parameters(self, limit: int | None) -> dict[str, Any]:
        """Return the parameters of `statements.FIND_RESULTS`; a `limit` of None returns all."""
        return {
            "ids": list(self.ids) if self.ids is not None else None,
            "source": self.source,
            "state": self.state,
            "decision": self.decision,
            "model": self.model,
            "since": self.since,
            "until": self.until,
            "limit": limit,
        }
