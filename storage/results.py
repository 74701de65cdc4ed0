"""The results as people and other services query them: the view `plumbline.results`."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

COLUMNS = """
    job_id, source, key, state, error, notes, attempts, created_at, finished_at, model,
    probability, label, confidence, decision, tokens, windows, queue_ms, score_ms, scored_at, text
"""

# Every condition is there each time and the absent ones are NULL, so the statement is one text.
FIND = text(f"""
SELECT {COLUMNS} FROM plumbline.results
WHERE (CAST(:ids AS uuid[]) IS NULL OR job_id = ANY (CAST(:ids AS uuid[])))
  AND (CAST(:source AS text) IS NULL OR source = :source)
  AND (CAST(:state AS text) IS NULL OR state = :state)
  AND (CAST(:decision AS text) IS NULL OR decision = :decision)
  AND (CAST(:model AS text) IS NULL OR model = :model)
  AND (CAST(:since AS timestamptz) IS NULL OR created_at >= :since)
  AND (CAST(:until AS timestamptz) IS NULL OR created_at < :until)
ORDER BY created_at DESC, job_id
LIMIT :limit
""")


@dataclass(frozen=True, slots=True)
class Result:
    """One job and its live prediction; the prediction's columns are None until it is scored."""

    job_id: uuid.UUID
    source: str
    key: str | None
    state: str
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


def find(
    connection: Connection,
    *,
    ids: Sequence[uuid.UUID] | None = None,
    source: str | None = None,
    state: str | None = None,
    decision: str | None = None,
    model: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int | None = 100,
) -> list[Result]:
    """Return the newest jobs that meet every condition given; `limit` None means all."""
    rows = connection.execute(
        FIND,
        {
            "ids": list(ids) if ids is not None else None,
            "source": source,
            "state": state,
            "decision": decision,
            "model": model,
            "since": since,
            "until": until,
            "limit": limit,
        },
    )
    return [Result(*row) for row in rows]
