"""Queries for results: the view `plumbline.results`."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

from sqlalchemy import Connection, text

from plumbline_client.results import Result, ResultFilter
from plumbline_client.statements import FIND_RESULTS
from storage.database import absolute_time

STREAMED_ROWS = 1_000
# The results of a version that scored so few texts are looked up one by one.
FEW_RESULTS = 1_000
# By how much PostgreSQL's clock may have been set back between the acceptance of a text and its
# score, so that the text seems to be accepted after it was scored.
CLOCK_SLACK = timedelta(hours=1)

# Rows are compared, and not columns, so that only the index of the versions has this order: along
# that of all predictions, those of later versions would be read first.
NEWEST_OF_MODEL = text("""
SELECT job_id, scored_at FROM plumbline.predictions
WHERE (model, role, scored_at) BETWEEN (CAST(:model AS text), 'live', '-infinity')
                                   AND (CAST(:model AS text), 'live', 'infinity')
ORDER BY model DESC, role DESC, scored_at DESC LIMIT :limit
""")
NO_PARALLEL_PLAN = text("SET LOCAL max_parallel_workers_per_gather = 0")

STARTING_WITH = text("""
SELECT id FROM plumbline.jobs
WHERE id BETWEEN CAST(:low AS uuid) AND CAST(:high AS uuid) ORDER BY id LIMIT :limit
""")


def find(connection: Connection, conditions: ResultFilter, limit: int | None) -> list[Result]:
    """Return the newest results that meet the conditions; a `limit` of None returns all."""
    # Its processes take longer to start than a search along an index.
    connection.execute(NO_PARALLEL_PLAN)
    conditions = narrowed(connection, conditions)
    rows = connection.exec_driver_sql(FIND_RESULTS, conditions.parameters(limit))
    return [Result.from_row(row) for row in rows]


def stream(connection: Connection, conditions: ResultFilter, limit: int | None) -> Iterator[Result]:
    """Like `find`, but through a server-side cursor: memory does not grow with the rows."""
    conditions = narrowed(connection, conditions)
    options = connection.execution_options(stream_results=True, max_row_buffer=STREAMED_ROWS)
    for row in options.exec_driver_sql(FIND_RESULTS, conditions.parameters(limit)):
        yield Result.from_row(row)


def narrowed(connection: Connection, conditions: ResultFilter) -> ResultFilter:
    """Add conditions that follow from the version, so that jobs of later versions are not read.

    The search goes through the jobs in the order of their acceptance, and passes those of all other
    versions.
    """
    if conditions.model is None or conditions.ids is not None:
        return conditions
    newest = connection.execute(
        NEWEST_OF_MODEL, {"model": conditions.model, "limit": FEW_RESULTS + 1}
    ).all()
    if len(newest) <= FEW_RESULTS:
        return replace(conditions, ids=[row.job_id for row in newest])
    last = newest[0].scored_at + CLOCK_SLACK
    until = conditions.until
    return replace(
        conditions, until=last if until is None else min(absolute_time(connection, until), last)
    )


def ids_with_prefix(connection: Connection, prefix: str, limit: int = 2) -> list[uuid.UUID]:
    """Return at most `limit` jobs whose id begins with these hexadecimal digits."""
    between = {"low": uuid.UUID(prefix.ljust(32, "0")), "high": uuid.UUID(prefix.ljust(32, "f"))}
    return list(connection.execute(STARTING_WITH, between | {"limit": limit}).scalars())
