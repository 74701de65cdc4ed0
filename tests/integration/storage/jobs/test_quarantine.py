"""The quarantine on a real PostgreSQL."""

from __future__ import annotations

from storage.jobs import leases
from storage.jobs.quarantine import Selection, count_quarantined, discard, replay
from tests.ledger import Ledger


def test_replayed_job_starts_over_with_a_newer_fence(ledger: Ledger) -> None:
    """The newer fence keeps the old lease holder from finishing the job."""
    (job_id,) = ledger.accept_texts(1)
    (lease,) = ledger.claim(job_id)
    with ledger.engine.begin() as connection:
        leases.release_lost(connection, [(job_id, lease.fence)], "it died", max_attempts=1)
        assert count_quarantined(connection) == 1
        assert [job.id for job in replay(connection, Selection([job_id], None))] == [job_id]
        assert count_quarantined(connection) == 0
    row = ledger.row(job_id)
    assert (row.state, row.attempts, row.error) == ("queued", 0, None)
    (again,) = ledger.claim(job_id)
    assert again.fence > lease.fence


def test_discarded_job_keeps_nothing_that_an_earlier_release_quoted_of_its_text(
    ledger: Ledger,
) -> None:
    (job_id,) = ledger.accept_texts(1)
    (lease,) = ledger.claim(job_id)
    with ledger.engine.begin() as connection:
        leases.release(connection, lease, f"ValueError: {lease.text}", max_attempts=1)
        discard(connection, Selection([job_id], None), "an operator")
    row = ledger.row(job_id)
    assert row.text is None
    assert row.error == "discarded by an operator; given up after 1 attempts: ValueError"
