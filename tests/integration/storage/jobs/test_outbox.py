"""The outbox on a real PostgreSQL."""

from __future__ import annotations

from storage.jobs.due import DueJobs
from storage.jobs.outbox import take_due_jobs, unpublish
from tests.ledger import Ledger, job


def take(ledger: Ledger, limit: int = 10) -> DueJobs:
    with ledger.engine.begin() as connection:
        return take_due_jobs(connection, max_attempts=3, limit=limit)


def test_only_queued_jobs_are_unpublished(ledger: Ledger) -> None:
    (queued,) = ledger.accept_texts(1)
    (held,) = ledger.claim(arriving=[job("held")])
    with ledger.engine.begin() as connection:
        unpublish(connection, [queued, held.id])
    assert ledger.row(queued).published_at is None
    assert ledger.row(held.id).published_at is not None


def test_unpublished_job_is_taken_once(ledger: Ledger) -> None:
    first, second = ledger.accept_texts(2)
    with ledger.engine.begin() as connection:
        unpublish(connection, [first, second])
    taken = take(ledger, limit=1).fresh + take(ledger, limit=1).fresh
    assert sorted(taken) == sorted([first, second])
    assert take(ledger) == DueJobs([])
