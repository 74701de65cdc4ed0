"""The outbox on a real PostgreSQL."""

from __future__ import annotations

from storage.database import connect
from storage.jobs import outbox
from storage.jobs.outbox import DueJobs, take_due_jobs, unpublish
from tests.ledger import Ledger, job
from tests.pooler import transaction_pooler
from tests.waiting import eventually


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
    assert take(ledger) == DueJobs(fresh=[], suspects=[])


def test_listener_is_notified_by_a_committed_transaction(ledger: Ledger) -> None:
    with outbox.listen(ledger.engine) as listener:
        assert listener.notified
        listener.check()
        assert not listener.wait(0.0)
        with ledger.engine.begin() as connection:
            outbox.notify_relay(connection)
        assert listener.wait(60.0)


def test_listener_behind_a_pooler_polls_and_occupies_no_connection(database_url: str) -> None:
    with transaction_pooler(database_url) as url:
        engine = connect(url, pool_size=1)
        with outbox.listen(engine) as listener, engine.connect():
            assert not listener.notified
            listener.check()
            assert not listener.wait(0.0)
            eventually(lambda: listener.wait(0.1))
            assert not listener.wait(0.0), "the next reading is due an interval later"
        engine.dispose()
