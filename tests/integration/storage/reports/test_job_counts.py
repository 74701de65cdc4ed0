"""The number of jobs in each state, exact while there are few."""

from __future__ import annotations

from sqlalchemy import Engine, text

from plumbline_client.states import JobState
from storage.reports.job_counts import JobCounts, count_jobs
from tests.ledger import Ledger
from tests.predictions import new_prediction


def read(engine: Engine, exact_rows: int) -> JobCounts:
    with engine.connect() as connection:
        return count_jobs(connection, exact_rows)


def test_scored_jobs_of_a_large_table_are_estimated_and_all_others_are_counted(
    ledger: Ledger,
) -> None:
    assert read(ledger.engine, 0) == JobCounts({}), "without statistics there is no estimate"
    _, cancelled, *scored = ledger.accept_texts(5)
    ledger.finish(*(new_prediction(lease) for lease in ledger.claim(*scored)))
    ledger.change("state = 'cancelled', finished_at = now()", cancelled)
    with ledger.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE plumbline.jobs"))
    counts = {JobState.QUEUED: 1, JobState.CANCELLED: 1, JobState.SCORED: 3}
    assert read(ledger.engine, 5) == JobCounts(counts)
    assert read(ledger.engine, 4) == JobCounts(counts, scored_is_estimate=True)
