"""Queries for results: the view `plumbline.results`, and single jobs with all predictions."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

from sqlalchemy import Connection, select, text
from sqlalchemy.orm import Session

from plumbline_client.results import Result, ResultFilter
from plumbline_client.statements import FIND_RESULTS
from storage.tables import Job, Prediction

STREAMED_ROWS = 1_000

STARTING_WITH = text("""
SELECT id FROM plumbline.jobs
WHERE id BETWEEN CAST(:low AS uuid) AND CAST(:high AS uuid) ORDER BY id LIMIT :limit
""")


def find(connection: Connection, conditions: ResultFilter, limit: int | None) -> list[Result]:
    """Return the newest results that meet the conditions; a `limit` of None returns all."""
    rows = connection.exec_driver_sql(FIND_RESULTS, conditions.parameters(limit))
    return [Result.from_row(row) for row in rows]


def stream(connection: Connection, conditions: ResultFilter, limit: int | None) -> Iterator[Result]:
    """Like `find`, but through a server-side cursor: memory does not grow with the rows."""
    options = connection.execution_options(stream_results=True, max_row_buffer=STREAMED_ROWS)
    for row in options.exec_driver_sql(FIND_RESULTS, conditions.parameters(limit)):
        yield Result.from_row(row)


def ids_with_prefix(connection: Connection, prefix: str, limit: int = 2) -> list[uuid.UUID]:
    """Return at most `limit` jobs whose id begins with these hexadecimal digits."""
    between = {"low": uuid.UUID(prefix.ljust(32, "0")), "high": uuid.UUID(prefix.ljust(32, "f"))}
    return list(connection.execute(STARTING_WITH, between | {"limit": limit}).scalars())


def find_job(connection: Connection, job_id: uuid.UUID) -> tuple[Job, list[Prediction]] | None:
    """Return one job with its predictions, the live one first; None if there is no such job."""
    with Session(connection) as session:
        job = session.get(Job, job_id)
        if job is None:
            return None
        predictions = session.scalars(
            select(Prediction).where(Prediction.job_id == job_id).order_by(Prediction.role)
        )
        return job, list(predictions)
