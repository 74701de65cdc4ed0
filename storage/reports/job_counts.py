"""How many jobs are in each state, at a cost that does not grow with the history.

Nearly all jobs of a large installation are scored, and counting them means reading all of them. So
all others are counted, along indexes, and subtracted from PostgreSQL's estimate of all rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, text

from plumbline_client.states import JobState

# Up to here an exact count takes a few milliseconds.
EXACT_ROWS = 50_000

# Rows per page when the table was last vacuumed or analyzed, times its pages today, as the planner
# estimates. The table has no estimate before.
ESTIMATE = text("""
SELECT CAST(CASE WHEN reltuples > 0 AND relpages > 0
                 THEN reltuples / relpages * (pg_relation_size(oid)
                      / CAST(current_setting('block_size') AS int)) ELSE 0 END AS bigint)
FROM pg_class WHERE oid = to_regclass('plumbline.jobs')
""")
ALL = text("SELECT state, count(*) FROM plumbline.jobs GROUP BY state")
# Each condition is that of a partial index.
NOT_SCORED = text("""
SELECT 'queued' AS state, count(*) FROM plumbline.jobs WHERE state = 'queued'
UNION ALL
SELECT 'leased', count(*) FROM plumbline.jobs WHERE state = 'leased'
UNION ALL
SELECT state, count(*) FROM plumbline.jobs
WHERE state IN ('quarantined', 'rejected', 'expired', 'cancelled') GROUP BY state
""")


@dataclass(frozen=True, slots=True)
class JobCounts:
    """Jobs by state; a state without jobs is left out. All but `scored` are exact.

    `scored` is an estimate if `scored_is_estimate`.
    """

    by_state: Mapping[JobState, int]
    scored_is_estimate: bool = False


def count_jobs(connection: Connection, exact_rows: int = EXACT_ROWS) -> JobCounts:
    """Count exactly as long as the table has no more than about `exact_rows`."""
    estimate: int = connection.execute(ESTIMATE).scalar_one()
    if estimate <= exact_rows:
        return JobCounts({JobState(state): count for state, count in connection.execute(ALL)})
    counts = {JobState(state): count for state, count in connection.execute(NOT_SCORED) if count}
    scored = max(0, estimate - sum(counts.values()))
    return JobCounts(counts | {JobState.SCORED: scored}, scored_is_estimate=True)
