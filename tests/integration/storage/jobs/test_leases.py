"""Leases between claim and finish on a real PostgreSQL, guarded by the fencing token."""

from __future__ import annotations

import uuid

import pytest
from sqlalchemy import text

from storage.jobs import leases
from storage.jobs.announcements import listen
from tests.ledger import Ledger, job

OUTLASTS_30_S = text(
    "SELECT lease_until > now() + interval '30 s' FROM plumbline.jobs WHERE id = :id"
)


@pytest.fixture
def held(ledger: Ledger) -> list[tuple[uuid.UUID, int]]:
    """Lease two texts of one message for 10 s."""
    ids = ledger.accept_texts(2)
    return [(lease.id, lease.fence) for lease in ledger.claim(*ids, lease_s=10.0)]


def test_only_a_valid_lease_is_renewed(ledger: Ledger, held: list[tuple[uuid.UUID, int]]) -> None:
    (first, fence), (second, _) = held
    with ledger.engine.begin() as connection:
        assert leases.renew(connection, [(first, fence), (second, fence - 1)], 60.0) == 1
        assert connection.execute(OUTLASTS_30_S, {"id": first}).scalar_one() is True
        assert connection.execute(OUTLASTS_30_S, {"id": second}).scalar_one() is False


def test_released_job_stays_queued_until_the_next_sweep(ledger: Ledger) -> None:
    (lease,) = ledger.claim(arriving=[job()])
    with ledger.engine.begin() as connection:
        leases.release(connection, lease, "a NUL \x00 and a \ud800" + "." * 2_000)
    row = ledger.row(lease.id)
    assert (row.state, row.attempts, row.published_at) == ("queued", 1, None)
    assert row.error.startswith("a NUL \\0 and a \\ud800..") and len(row.error) < 1_100


def test_returned_job_does_not_count_the_attempt_and_notifies_the_relay(
    ledger: Ledger, held: list[tuple[uuid.UUID, int]]
) -> None:
    with listen(ledger.engine) as listener:
        with ledger.engine.begin() as connection:
            assert leases.return_unstarted(connection, held) == 2
        assert listener.wait(5.0)
    for job_id, _ in held:
        row = ledger.row(job_id)
        assert (row.state, row.attempts, row.published_at) == ("queued", 0, None)
        assert row.error is None and row.lease_until is None
    # The jobs may share a message again, and the next claim has a newer fence.
    assert len(ledger.claim(*(job_id for job_id, _ in held))) == 2
    with ledger.engine.begin() as connection:
        assert leases.return_unstarted(connection, held) == 0, "the old fence is not valid"


def test_lost_job_is_requeued_until_its_last_attempt(
    ledger: Ledger, held: list[tuple[uuid.UUID, int]]
) -> None:
    (job_id, fence), (other, _) = held

    def lose(fence: int, error: str) -> int:
        with ledger.engine.begin() as connection:
            return leases.release_lost(connection, [(job_id, fence)], error, max_attempts=2)

    assert lose(fence, "it died") == 1
    row = ledger.row(job_id)
    assert (row.state, row.attempts, row.error) == ("queued", 1, "it died")
    (again,) = ledger.claim(job_id)
    assert lose(fence, "late") == 0
    assert lose(again.fence, "it died again") == 1
    row = ledger.row(job_id)
    assert (row.state, row.attempts) == ("quarantined", 2)
    assert row.error == "given up after 2 attempts: it died again"
    assert row.finished_at is not None
    assert ledger.row(other).state == "leased", "other jobs of the message are not touched"


def test_without_leases_nothing_is_released(ledger: Ledger) -> None:
    with ledger.engine.begin() as connection:
        assert leases.return_unstarted(connection, []) == 0
        assert leases.release_lost(connection, [], "it died", 1) == 0
