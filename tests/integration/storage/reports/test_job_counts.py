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


def test_large_counts_of_a_large_table_are_estimated(
    ledger: Ledger,
) -> None:
    assert read(ledger.engine, 0) == JobCounts({}), "without statistics there is no estimate"
    _, cancelled, late, later, latest, *done = ledger.accept_texts(8)
    ledger.finish(*(new_prediction(lease) for lease in ledger.claim(*done)))
    ledger.change("state = 'expired', finished_at = now()", late, later, latest)
    ledger.change("state = 'cancelled', finished_at = now()", cancelled)
    with ledger.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE plumbline.jobs"))
    counts = {
        JobState.QUEUED: 1, JobState.CANCELLED: 1, JobState.EXPIRED: 3, JobState.SCORED: 3,
    }  # fmt: skip
    assert read(ledger.engine, 8) == JobCounts(counts)
    scored = frozenset({JobState.SCORED})
    assert read(ledger.engine, 7) == JobCounts(counts, scored)
    assert read(ledger.engine, 2) == JobCounts(counts, scored | {JobState.EXPIRED})
