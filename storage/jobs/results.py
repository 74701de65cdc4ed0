"""The results as people and other services query them: the view `plumbline.results`."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, text
from sqlalchemy.orm import Session

from storage.tables import Job, Prediction

STREAMED_ROWS = 1_000

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

STARTING_WITH = text("""
SELECT id FROM plumbline.jobs
WHERE id BETWEEN CAST(:low AS uuid) AND CAST(:high AS uuid) ORDER BY id LIMIT :limit
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
        FIND, _parameters(ids, source, state, decision, model, since, until, limit)
    )
    return [Result(*row) for row in rows]


def stream(
    connection: Connection,
    *,
    source: str | None = None,
    state: str | None = None,
    decision: str | None = None,
    model: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int | None = None,
) -> Iterator[Result]:
    """Like `find`, from a cursor on the server: memory does not grow with the rows."""
    rows = connection.execution_options(stream_results=True, max_row_buffer=STREAMED_ROWS).execute(
        FIND, _parameters(None, source, state, decision, model, since, until, limit)
    )
    for row in rows:
        yield Result(*row)


def starting_with(connection: Connection, prefix: str, limit: int = 2) -> list[uuid.UUID]:
    """At most `limit` jobs whose id begins with these hexadecimal digits."""
    between = {"low": uuid.UUID(prefix.ljust(32, "0")), "high": uuid.UUID(prefix.ljust(32, "f"))}
    return list(connection.execute(STARTING_WITH, between | {"limit": limit}).scalars())


def job(connection: Connection, job_id: uuid.UUID) -> tuple[Job, list[Prediction]] | None:
    """Everything about one job, with its live prediction before its shadow one."""
    with Session(connection) as session:
        found = session.get(Job, job_id)
        if found is None:
            return None
        predictions = session.scalars(
            select(Prediction).where(Prediction.job_id == job_id).order_by(Prediction.role)
        )
        return found, list(predictions)


def _parameters(
    ids: Sequence[uuid.UUID] | None,
    source: str | None,
    state: str | None,
    decision: str | None,
    model: str | None,
    since: datetime | None,
    until: datetime | None,
    limit: int | None,
) -> dict[str, Any]:
    return {
        "ids": list(ids) if ids is not None else None,
        "source": source,
        "state": state,
        "decision": decision,
        "model": model,
        "since": since,
        "until": until,
        "limit": limit,
    }
