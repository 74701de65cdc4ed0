"""How many jobs are in each state, at a cost that does not grow with the history.

A large number is taken from PostgreSQL's statistics of the table; all others are counted, along
partial indexes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, text

from plumbline_client.states import JobState
from storage.index_conditions import UNSCORED

# Up to here an exact count takes a few milliseconds.
EXACT_ROWS = 20_000
# States that nobody has to act on, and that jobs never leave.
MAY_BE_ESTIMATED = (JobState.REJECTED, JobState.EXPIRED, JobState.CANCELLED)

# Rows per page when the table was last vacuumed or analyzed, times its pages today, as the planner
# estimates. The table has no estimate before.
ESTIMATE = text("""
SELECT CAST(CASE WHEN reltuples > 0 AND relpages > 0
                 THEN reltuples / relpages * (pg_relation_size(oid)
                      / CAST(current_setting('block_size') AS int)) ELSE 0 END AS bigint)
FROM pg_class WHERE oid = to_regclass('plumbline.jobs')
""")
# The share of each state in the sample of the last ANALYZE.
SHARES = text("""
SELECT state, share
FROM pg_stats, LATERAL unnest(CAST(CAST(most_common_vals AS text) AS text[]), most_common_freqs)
    AS frequent (state, share)
WHERE schemaname = 'plumbline' AND tablename = 'jobs' AND attname = 'state'
""")
ALL = text("SELECT state, count(*) FROM plumbline.jobs GROUP BY state")
# The last condition follows from the others; it is that of the index.
COUNTED = text(f"""
SELECT 'queued' AS state, count(*) FROM plumbline.jobs WHERE state = 'queued'
UNION ALL
SELECT 'leased', count(*) FROM plumbline.jobs WHERE state = 'leased'
UNION ALL
SELECT state, count(*) FROM plumbline.jobs
WHERE state = ANY (CAST(:ended AS text[]))
  AND {UNSCORED} GROUP BY state
""")


@dataclass(frozen=True, slots=True)
class JobCounts:
    """Jobs by state; a state without jobs is left out. Those of `estimated` are about right."""

    by_state: Mapping[JobState, int]
    estimated: frozenset[JobState] = frozenset()


def count_jobs(connection: Connection, exact_rows: int = EXACT_ROWS) -> JobCounts:
    """Count exactly where there are no more than about `exact_rows`."""
    rows: int = connection.execute(ESTIMATE).scalar_one()
    if rows <= exact_rows:
        return JobCounts({JobState(state): count for state, count in connection.execute(ALL)})
    shares = {row.state: row.share for row in connection.execute(SHARES)}
    estimates = {
        state: round(rows * shares.get(state, 0.0))
        for state in MAY_BE_ESTIMATED
        if rows * shares.get(state, 0.0) > exact_rows
    }
    ended = [state for state in (*MAY_BE_ESTIMATED, JobState.QUARANTINED) if state not in estimates]
    counted = connection.execute(COUNTED, {"ended": ended})
    counts = {JobState(state): count for state, count in counted if count} | estimates
    counts[JobState.SCORED] = max(0, rows - sum(counts.values()))
    return JobCounts(counts, frozenset({JobState.SCORED, *estimates}))
