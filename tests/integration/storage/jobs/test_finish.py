"""Finishes on a real PostgreSQL: one prediction per job, and none from an outdated lease."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from storage.jobs import leases
from storage.jobs.claim import Lease
from storage.jobs.finish import finish, reject
from storage.jobs.predictions import NewPrediction
from tests.ledger import Ledger, count_predictions, job
from tests.predictions import new_prediction


def prediction(lease: Lease, **fields: Any) -> NewPrediction:
    defaults = {
        "model": "sms-spam/1.0.0",
        "ranked": [{"label": "ham", "probability": 0.75}],
        "features": {"chars": 14.0},
        "score_ms": 1.5,
    }
    return new_prediction(lease, **defaults | fields)


def test_finished_job_has_one_prediction(ledger: Ledger) -> None:
    new = job()
    ledger.accept(new)
    (lease,) = ledger.claim(new.id)
    assert ledger.finish(prediction(lease)) == {new.id}
    row = ledger.row(new.id)
    assert (row.state, row.error, row.lease_until) == ("scored", None, None)
    with ledger.engine.connect() as connection:
        stored = connection.execute(text("SELECT * FROM plumbline.predictions")).one()
    assert (stored.job_id, stored.role, stored.probability) == (new.id, "live", 0.25)
    assert stored.ranked == [{"label": "ham", "probability": 0.75}]
    assert stored.features == {"chars": 14.0}


def test_second_finish_changes_nothing(ledger: Ledger) -> None:
    (lease,) = ledger.claim(arriving=[job()])
    assert ledger.finish(prediction(lease)) == {lease.id}
    assert ledger.finish(prediction(lease, probability=0.75)) == set()
    assert count_predictions(ledger.engine) == 1


def test_worker_with_an_outdated_lease_changes_nothing(ledger: Ledger) -> None:
    """The first worker was presumed dead; a second one has claimed its job and not finished yet."""
    (outdated,) = ledger.claim(arriving=[job()])
    ledger.change("state = 'queued', lease_until = NULL", outdated.id)
    assert ledger.finish(prediction(outdated)) == set(), "queued again, and not claimed yet"
    (current,) = ledger.claim(outdated.id)
    with ledger.engine.begin() as connection:
        assert finish(connection, [prediction(outdated)]) == set()
        leases.release(connection, outdated, "late")
        reject(connection, outdated, "late")
    assert ledger.row(outdated.id).state == "leased" and count_predictions(ledger.engine) == 0
    assert ledger.finish(prediction(current)) == {current.id}


def test_each_job_is_finished_only_under_its_own_fencing_token(ledger: Ledger) -> None:
    once, twice = ledger.accept_texts(2)
    (earlier,) = ledger.claim(twice)
    ledger.change("state = 'queued', attempts = 0, lease_until = NULL", twice)
    by_id = {lease.id: lease for lease in ledger.claim(once, twice)}
    exchanged = [
        prediction(replace(by_id[once], fence=by_id[twice].fence)),
        prediction(replace(by_id[twice], fence=by_id[once].fence)),
    ]
    with ledger.engine.begin() as connection:
        assert by_id[twice].fence == earlier.fence + 1
        assert finish(connection, exchanged) == set()
        assert finish(connection, [prediction(earlier), prediction(by_id[once])]) == {once}
        assert finish(connection, [prediction(by_id[twice])]) == {twice}


def test_only_one_of_several_concurrent_finishes_counts(ledger: Ledger) -> None:
    (lease,) = ledger.claim(arriving=[job()])
    barrier = threading.Barrier(4)

    def write(_: int) -> int:
        barrier.wait()
        return len(ledger.finish(prediction(lease)))

    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(write, range(4))) == 1
    assert count_predictions(ledger.engine) == 1


def test_failed_finish_changes_neither_jobs_nor_predictions(ledger: Ledger) -> None:
    first, second = ledger.claim(arriving=[job("one"), job("two")])
    with pytest.raises(DBAPIError):
        ledger.finish(prediction(first), prediction(second, decision="perhaps"))
    assert count_predictions(ledger.engine) == 0
    assert {ledger.row(lease.id).state for lease in (first, second)} == {"leased"}


def test_finish_without_predictions_does_nothing(ledger: Ledger) -> None:
    assert ledger.finish() == set()


def test_rejected_job_has_ended(ledger: Ledger) -> None:
    (lease,) = ledger.claim(arriving=[job()])
    with ledger.engine.begin() as connection:
        reject(connection, lease, "it is too long\x00")
    row = ledger.row(lease.id)
    assert (row.state, row.error) == ("rejected", "it is too long\\0")
    assert row.finished_at is not None
    assert ledger.claim(lease.id) == []
