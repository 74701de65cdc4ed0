"""Claims on a real PostgreSQL: each job is leased once, and only if it may be scored now."""

from __future__ import annotations

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import chain

from sqlalchemy import text

from storage.jobs import leases
from storage.jobs.claim import claim
from tests.ledger import LEASE_S, Ledger, job

PAST = datetime(2020, 1, 1, tzinfo=UTC)


def test_claim_leases_the_text_and_counts_the_attempt(ledger: Ledger) -> None:
    new = job("a\x00b")
    ledger.accept(new)
    (lease,) = ledger.claim(new.id)
    assert (lease.id, lease.fence, lease.notes) == (new.id, 1, ("nul_replaced",))
    assert lease.text == new.text and lease.queue_ms >= 0.0
    row = ledger.row(new.id)
    assert (row.state, row.attempts, row.fence) == ("leased", 1, 1)
    assert row.lease_until - row.started_at == timedelta(seconds=LEASE_S)


def test_leased_job_is_not_claimed_again(ledger: Ledger) -> None:
    new = job()
    ledger.accept(new)
    assert len(ledger.claim(new.id)) == 1
    assert ledger.claim(new.id) == []
    assert ledger.claim(arriving=[new]) == []


def test_concurrent_claims_lease_each_job_once(ledger: Ledger) -> None:
    jobs = [job(f"{n}") for n in range(100)]
    ledger.accept(*jobs)
    barrier = threading.Barrier(4)

    def claim_all(_: int) -> list[uuid.UUID]:
        barrier.wait()
        return [lease.id for lease in ledger.claim(*(job.id for job in jobs))]

    with ThreadPoolExecutor(4) as threads:
        claimed = list(threads.map(claim_all, range(4)))
    assert sorted(chain.from_iterable(claimed)) == sorted(job.id for job in jobs)


def test_lease_lasts_as_long_as_requested(ledger: Ledger) -> None:
    queued, arriving = job("x" * 30), job("x" * 50)
    ledger.accept(queued)
    ledger.claim(queued.id, arriving=[arriving], lease_s=10.0)
    for leased in (queued, arriving):
        row = ledger.row(leased.id)
        assert row.lease_until - row.started_at == timedelta(seconds=10)


def test_texts_of_a_bare_message_enter_the_ledger_leased(ledger: Ledger) -> None:
    arriving = [job("one"), job("two", key="k"), job(" "), job("late", deadline=PAST)]
    leases = ledger.claim(arriving=arriving)
    assert {lease.text for lease in leases} == {"one", "two"}
    assert {lease.fence for lease in leases} == {1}
    states = [(ledger.row(new.id).state, ledger.row(new.id).error) for new in arriving]
    assert states == [
        ("leased", None),
        ("leased", None),
        ("rejected", "the text is empty"),
        ("expired", "its deadline passed before it was scored"),
    ]


def test_bare_message_delivered_several_times_at_once_is_claimed_once(ledger: Ledger) -> None:
    arriving = [job(f"{n}", key=f"k{n}") for n in range(50)]
    barrier = threading.Barrier(3)

    def claim_message(_: int) -> int:
        barrier.wait()
        return len(ledger.claim(arriving=arriving))

    with ThreadPoolExecutor(3) as threads:
        assert sum(threads.map(claim_message, range(3))) == 50


def test_arriving_text_whose_job_is_queued_is_claimed_as_first_submitted(ledger: Ledger) -> None:
    ledger.accept(job("submitted first", key="k"))
    (lease,) = ledger.claim(arriving=[job("submitted later", key="k")])
    assert lease.text == "submitted first"


def test_suspect_is_claimed_only_alone(ledger: Ledger) -> None:
    suspect, fresh = ledger.accept_texts(2)
    (lease,) = ledger.claim(suspect)
    with ledger.engine.begin() as connection:
        leases.release(connection, lease, "it failed")
    assert [lease.id for lease in ledger.claim(suspect, fresh)] == [fresh]
    (again,) = ledger.claim(suspect)
    assert again.fence == 2


def test_job_past_its_deadline_is_not_claimed(ledger: Ledger) -> None:
    new = job(deadline=PAST)
    ledger.accept(new)
    assert ledger.claim(new.id) == []
    assert ledger.row(new.id).state == "queued"


def test_refused_job_is_not_claimed(ledger: Ledger) -> None:
    new = job(" ")
    ledger.accept(new)
    assert ledger.claim(new.id) == []


def test_unknown_id_is_ignored(ledger: Ledger) -> None:
    assert ledger.claim(uuid.uuid4()) == []


def test_only_a_claim_of_known_texts_does_not_wait_for_the_disk(ledger: Ledger) -> None:
    """A text that arrives with its message is stored nowhere else once the message is gone."""
    known, arriving = job("known"), job("arriving")
    ledger.accept(known)
    for texts, setting in (([], "off"), ([arriving], "on")):
        with ledger.engine.begin() as connection:
            assert len(claim(connection, texts, [known.id], LEASE_S)) == 1
            show = text("SHOW synchronous_commit")
            assert connection.execute(show).scalar_one() == setting
        with ledger.engine.connect() as connection:
            assert connection.execute(show).scalar_one() == "on"
