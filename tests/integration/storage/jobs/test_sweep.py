"""The sweep on a real PostgreSQL: no job waits forever, and no text is tried forever."""

from __future__ import annotations

import uuid

import pytest

from storage.jobs.leases import release, renew
from storage.jobs.outbox import unpublish
from storage.jobs.sweep import SweepResult, sweep
from tests.ledger import Ledger


def run_sweep(ledger: Ledger, *, max_attempts: int = 3, limit: int = 100) -> SweepResult:
    with ledger.engine.begin() as connection:
        result = sweep(connection, max_attempts=max_attempts, republish_after_s=60.0, limit=limit)
    assert result is not None
    return result


def expire_leases(ledger: Ledger, *ids: uuid.UUID) -> None:
    ledger.change("lease_until = now() - interval '1 second'", *ids)


def test_recently_published_job_is_not_due(ledger: Ledger) -> None:
    ledger.accept_texts(1)
    assert run_sweep(ledger) == SweepResult(jobs=[], expired=0, quarantined=0)


def test_lost_wake_up_is_sent_again_once(ledger: Ledger) -> None:
    (lost,) = ledger.accept_texts(1)
    ledger.change("published_at = now() - interval '61 seconds'", lost)
    assert run_sweep(ledger).fresh == [lost]
    assert run_sweep(ledger).fresh == []


def test_unpublished_job_is_due_at_once_and_before_lost_wake_ups(ledger: Ledger) -> None:
    lost, unpublished = ledger.accept_texts(2)
    ledger.change("published_at = now() - interval '1 day'", lost)
    ledger.change("published_at = NULL", unpublished)
    assert run_sweep(ledger, limit=1).fresh == [unpublished]
    assert run_sweep(ledger, limit=1).fresh == [lost]


def test_job_stays_due_if_the_limit_is_zero(ledger: Ledger) -> None:
    (unpublished,) = ledger.accept_texts(1)
    ledger.change("published_at = NULL", unpublished)
    assert run_sweep(ledger, limit=0).fresh == []
    assert run_sweep(ledger).fresh == [unpublished]


def test_job_with_an_expired_lease_is_requeued_as_a_suspect(ledger: Ledger) -> None:
    dead, fresh = ledger.accept_texts(2)
    ledger.claim(dead)
    expire_leases(ledger, dead)
    ledger.change("published_at = NULL", fresh)
    result = run_sweep(ledger)
    assert (result.fresh, result.suspects) == ([fresh], [dead])
    row = ledger.row(dead)
    assert (row.state, row.attempts) == ("queued", 1)
    assert row.error == "its worker died or did not finish in time"
    (lease,) = ledger.claim(dead)
    assert lease.fence == 2


def test_valid_lease_is_not_ended(ledger: Ledger) -> None:
    (held,) = ledger.accept_texts(1)
    ledger.claim(held)
    assert run_sweep(ledger).suspects == []
    assert ledger.row(held).state == "leased"


def test_text_that_kills_its_worker_is_quarantined_with_the_reason(ledger: Ledger) -> None:
    (poison,) = ledger.accept_texts(1)
    for attempt in range(3):
        ledger.claim(poison)
        expire_leases(ledger, poison)
        assert run_sweep(ledger).quarantined == (attempt == 2)
    row = ledger.row(poison)
    assert (row.state, row.attempts) == ("quarantined", 3)
    assert row.error == "given up after 3 attempts: its worker died or did not finish in time"
    assert row.finished_at is not None and row.lease_until is None
    assert ledger.claim(poison) == []


def test_text_that_fails_every_time_is_quarantined_with_its_error(ledger: Ledger) -> None:
    (failing,) = ledger.accept_texts(1)
    for attempt in range(2):
        (lease,) = ledger.claim(failing)
        with ledger.engine.begin() as connection:
            release(connection, lease, "ValueError: no")
        assert run_sweep(ledger, max_attempts=2).quarantined == attempt
    assert ledger.row(failing).error == "given up after 2 attempts: ValueError: no"


def test_unsent_wake_up_is_not_counted_as_an_attempt(ledger: Ledger) -> None:
    """Two of three attempts are used, and Redis did not accept the wake-up for the third."""
    (job_id,) = ledger.accept_texts(1)
    for _ in range(2):
        ledger.claim(job_id)
        expire_leases(ledger, job_id)
        assert run_sweep(ledger).suspects == [job_id]
    with ledger.engine.begin() as connection:
        unpublish(connection, [job_id])
    assert run_sweep(ledger).suspects == [job_id]


@pytest.mark.parametrize("back", ["2 minutes", "1 hour", "400 days"])
def test_a_clock_of_postgresql_that_was_set_back_delays_nothing(ledger: Ledger, back: str) -> None:
    dead, alive, lost = ledger.accept_texts(3)
    ledger.claim(dead)
    (lease,) = ledger.claim(alive)
    for column in ("started_at", "lease_until"):
        ledger.change(f"{column} = {column} + interval '{back}'", dead, alive)
    ledger.change(f"published_at = published_at + interval '{back}'", lost)
    with ledger.engine.begin() as connection:
        renew(connection, [(lease.id, lease.fence)], 60.0)
    result = run_sweep(ledger)
    assert (result.fresh, result.suspects) == ([lost], [dead])
    assert ledger.row(alive).state == "leased"
    assert run_sweep(ledger).fresh == []


def test_job_past_its_deadline_expires_unless_it_is_being_scored(ledger: Ledger) -> None:
    queued, lost, held = ledger.accept_texts(3)
    ledger.claim(lost, held)
    ledger.change("deadline = now() - interval '1 second'", queued, lost, held)
    expire_leases(ledger, lost)
    assert run_sweep(ledger).expired == 2
    for expired in (queued, lost):
        row = ledger.row(expired)
        assert (row.state, row.error) == ("expired", "its deadline passed before it was scored")
    assert ledger.row(held).state == "leased", "it is being scored, and may finish"


def test_only_one_of_two_concurrent_sweeps_runs(ledger: Ledger) -> None:
    (unpublished,) = ledger.accept_texts(1)
    ledger.change("published_at = NULL", unpublished)
    with ledger.engine.begin() as first, ledger.engine.begin() as second:
        result = sweep(first, max_attempts=3, republish_after_s=60.0, limit=10)
        assert result is not None and result.fresh == [unpublished]
        assert sweep(second, max_attempts=3, republish_after_s=60.0, limit=10) is None
    assert run_sweep(ledger).fresh == []
