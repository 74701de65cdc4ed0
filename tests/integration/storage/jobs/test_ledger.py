"""The ledger's verbs on a real PostgreSQL: nothing twice, nothing half, nothing late."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from plumbline_client.new_job import NewJob, new_job
from plumbline_client.states import JobState
from storage.jobs import ledger
from storage.jobs.ledger import Lease, NewPrediction
from tests.answers import answer as some_answer

LEASE_S = 60.0
PAST = datetime(2020, 1, 1, tzinfo=UTC)


def job(value: str = "See you at six", **given: Any) -> NewJob:
    return new_job(value, source="test", max_chars=1_000, **given)


def answer(lease: Lease, **given: Any) -> NewPrediction:
    told = {
        "model": "sms-spam/1.0.0",
        "ranked": [{"label": "ham", "probability": 0.75}],
        "features": {"chars": 14.0},
        "score_ms": 1.5,
    }
    return some_answer(lease, **told | given)


def accept(engine: Engine, *jobs: NewJob) -> set[uuid.UUID]:
    with engine.begin() as connection:
        return ledger.accept(connection, jobs)


def claim(
    engine: Engine,
    *known: uuid.UUID,
    arriving: Sequence[NewJob] = (),
    lease_s: float = LEASE_S,
) -> list[Lease]:
    with engine.begin() as connection:
        return ledger.claim(connection, arriving, known, lease_s)


def finish(engine: Engine, *answers: NewPrediction) -> set[uuid.UUID]:
    with engine.begin() as connection:
        return ledger.finish(connection, answers)


def row(engine: Engine, job_id: uuid.UUID) -> Any:
    with engine.connect() as connection:
        return connection.execute(
            text("SELECT * FROM plumbline.jobs WHERE id = :id"), {"id": job_id}
        ).one()


def predictions(engine: Engine) -> int:
    with engine.connect() as connection:
        found: int = connection.execute(
            text("SELECT count(*) FROM plumbline.predictions")
        ).scalar_one()
        return found


def test_an_accepted_text_waits_and_is_counted_as_published(engine: Engine) -> None:
    new = job("a\x00b\ud800c", key="k", deadline=PAST)
    assert accept(engine, new) == {new.id}
    found = row(engine, new.id)
    assert (found.state, found.attempts, found.fence) == ("queued", 0, 0)
    assert found.text == "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}c"
    assert found.notes == ["nul_replaced", "surrogate_replaced"]
    assert (found.source, found.key, found.deadline) == ("test", "k", PAST)
    assert bytes(found.text_sha256) == ledger.text_hash("a\x00b\ud800c")
    assert found.published_at is not None and found.finished_at is None


def test_accepting_again_changes_nothing(engine: Engine) -> None:
    first = job("first", key="k")
    assert accept(engine, first) == {first.id}
    assert accept(engine, job("second", key="k")) == set()
    assert row(engine, first.id).text == "first"


def test_a_key_twice_in_one_call_is_one_job_and_the_first_text_counts(engine: Engine) -> None:
    new = job("first", key="k")
    assert accept(engine, new, job("second", key="k")) == {new.id}
    assert row(engine, new.id).text == "first"


def test_one_key_from_many_threads_at_once_is_one_job(engine: Engine, database_url: str) -> None:
    at_once = threading.Barrier(4)

    def submit(number: int) -> set[uuid.UUID]:
        at_once.wait()
        # In opposite orders, which would deadlock if rows were not written in one order.
        jobs = [job(f"{number}", key=f"k{n}") for n in range(50)]
        return accept(engine, *(jobs if number % 2 else reversed(jobs)))

    with ThreadPoolExecutor(4) as threads:
        new = list(threads.map(submit, range(4)))
    assert sorted(chain.from_iterable(new)) == sorted(job(key=f"k{n}").id for n in range(50))


def test_a_refused_text_is_a_row_that_says_why(engine: Engine) -> None:
    new = job(" ")
    accept(engine, new)
    found = row(engine, new.id)
    assert (found.state, found.error, found.text) == ("rejected", "the text is empty", None)
    assert found.finished_at is not None and found.published_at is None
    assert claim(engine, new.id) == []


def test_states_tells_what_the_ledger_has(engine: Engine) -> None:
    good, bad = job(), job(" ")
    accept(engine, good, bad)
    with engine.connect() as connection:
        assert ledger.states(connection, [good.id, bad.id, uuid.uuid4()]) == {
            good.id: (JobState.QUEUED, None),
            bad.id: (JobState.REJECTED, "the text is empty"),
        }


def test_a_claim_leases_the_text_and_counts_the_attempt(engine: Engine) -> None:
    new = job("a\x00b")
    accept(engine, new)
    (lease,) = claim(engine, new.id)
    assert (lease.id, lease.fence, lease.notes) == (new.id, 1, ("nul_replaced",))
    assert lease.text == new.text and lease.queue_ms >= 0.0
    found = row(engine, new.id)
    assert (found.state, found.attempts, found.fence) == ("leased", 1, 1)
    assert found.lease_until - found.started_at == timedelta(seconds=LEASE_S)


def test_what_one_holds_another_does_not_get(engine: Engine) -> None:
    new = job()
    accept(engine, new)
    assert len(claim(engine, new.id)) == 1
    assert claim(engine, new.id) == []
    assert claim(engine, arriving=[new]) == []


def test_claims_at_the_same_moment_share_the_jobs_between_them(engine: Engine) -> None:
    jobs = [job(f"{n}") for n in range(100)]
    accept(engine, *jobs)
    at_once = threading.Barrier(4)

    def take(_: int) -> list[uuid.UUID]:
        at_once.wait()
        return [lease.id for lease in claim(engine, *(job.id for job in jobs))]

    with ThreadPoolExecutor(4) as threads:
        taken = list(threads.map(take, range(4)))
    assert sorted(chain.from_iterable(taken)) == sorted(job.id for job in jobs)


def test_a_lease_lasts_as_long_as_was_asked_for(engine: Engine) -> None:
    waiting, arriving = job("x" * 30), job("x" * 50)
    accept(engine, waiting)
    claim(engine, waiting.id, arriving=[arriving], lease_s=10.0)
    for leased in (waiting, arriving):
        found = row(engine, leased.id)
        assert found.lease_until - found.started_at == timedelta(seconds=10)


def test_the_texts_of_a_bare_message_enter_the_ledger_leased(engine: Engine) -> None:
    arriving = [job("one"), job("two", key="k"), job(" "), job("late", deadline=PAST)]
    leases = claim(engine, arriving=arriving)
    assert {lease.text for lease in leases} == {"one", "two"}
    assert {lease.fence for lease in leases} == {1}
    states = [(row(engine, new.id).state, row(engine, new.id).error) for new in arriving]
    assert states == [
        ("leased", None),
        ("leased", None),
        ("rejected", "the text is empty"),
        ("expired", "its deadline passed before it was scored"),
    ]


def test_a_bare_message_that_comes_twice_at_once_is_claimed_once(engine: Engine) -> None:
    arriving = [job(f"{n}", key=f"k{n}") for n in range(50)]
    at_once = threading.Barrier(3)

    def take(_: int) -> int:
        at_once.wait()
        return len(claim(engine, arriving=arriving))

    with ThreadPoolExecutor(3) as threads:
        assert sum(threads.map(take, range(3))) == 50


def test_a_text_that_waits_already_is_claimed_by_the_message_that_brings_it(
    engine: Engine,
) -> None:
    accept(engine, job("as it was first", key="k"))
    (lease,) = claim(engine, arriving=[job("as it came later", key="k")])
    assert lease.text == "as it was first"


def test_a_suspect_is_claimed_only_alone(engine: Engine) -> None:
    suspect, fresh = job("suspect"), job("fresh")
    accept(engine, suspect, fresh)
    (lease,) = claim(engine, suspect.id)
    with engine.begin() as connection:
        ledger.release(connection, lease, "it failed")
    assert [lease.id for lease in claim(engine, suspect.id, fresh.id)] == [fresh.id]
    (again,) = claim(engine, suspect.id)
    assert again.fence == 2


def test_a_job_past_its_deadline_is_not_claimed(engine: Engine) -> None:
    new = job(deadline=PAST)
    accept(engine, new)
    assert claim(engine, new.id) == []
    assert row(engine, new.id).state == "queued"


def test_an_unknown_id_is_nobodys_job(engine: Engine) -> None:
    assert claim(engine, uuid.uuid4()) == []


def test_a_finished_job_has_one_prediction(engine: Engine) -> None:
    new = job()
    accept(engine, new)
    (lease,) = claim(engine, new.id)
    assert finish(engine, answer(lease)) == {new.id}
    found = row(engine, new.id)
    assert (found.state, found.error, found.lease_until) == ("scored", None, None)
    with engine.connect() as connection:
        scored = connection.execute(text("SELECT * FROM plumbline.predictions")).one()
    assert (scored.job_id, scored.role, scored.probability) == (new.id, "live", 0.25)
    assert scored.ranked == [{"label": "ham", "probability": 0.75}]
    assert scored.features == {"chars": 14.0}


def test_finishing_twice_changes_nothing(engine: Engine) -> None:
    (lease,) = claim(engine, arriving=[job()])
    assert finish(engine, answer(lease)) == {lease.id}
    assert finish(engine, answer(lease, probability=0.75)) == set()
    assert predictions(engine) == 1


def end_lease(connection: Connection, job_id: uuid.UUID) -> None:
    connection.execute(
        text("UPDATE plumbline.jobs SET state = 'queued', lease_until = NULL WHERE id = :id"),
        {"id": job_id},
    )


def test_who_comes_late_changes_nothing(engine: Engine) -> None:
    """The first worker was thought dead; the second has claimed its job and not finished yet."""
    (late,) = claim(engine, arriving=[job()])
    with engine.begin() as connection:
        end_lease(connection, late.id)
    assert finish(engine, answer(late)) == set(), "queued again, and not claimed yet"
    (current,) = claim(engine, late.id)
    with engine.begin() as connection:
        assert ledger.finish(connection, [answer(late)]) == set()
        ledger.release(connection, late, "late")
        ledger.reject(connection, late, "late")
    assert row(engine, late.id).state == "leased" and predictions(engine) == 0
    assert finish(engine, answer(current)) == {current.id}


def test_two_finish_at_once_and_one_counts(engine: Engine) -> None:
    (lease,) = claim(engine, arriving=[job()])
    at_once = threading.Barrier(4)

    def write(_: int) -> int:
        at_once.wait()
        return len(finish(engine, answer(lease)))

    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(write, range(4))) == 1
    assert predictions(engine) == 1


def test_a_finish_that_fails_leaves_job_and_prediction_as_they_were(engine: Engine) -> None:
    leases = claim(engine, arriving=[job("one"), job("two")])
    with pytest.raises(DBAPIError):
        finish(engine, answer(leases[0]), answer(leases[1], decision="perhaps"))
    assert predictions(engine) == 0
    assert {row(engine, lease.id).state for lease in leases} == {"leased"}


def test_nothing_to_finish_is_no_statement(engine: Engine) -> None:
    assert finish(engine) == set()


def test_a_released_job_waits_for_the_sweeper(engine: Engine) -> None:
    (lease,) = claim(engine, arriving=[job()])
    with engine.begin() as connection:
        ledger.release(connection, lease, "a NUL \x00 and a \ud800" + "." * 2_000)
    found = row(engine, lease.id)
    assert (found.state, found.attempts, found.published_at) == ("queued", 1, None)
    assert found.error.startswith("a NUL \\0 and a \\ud800..") and len(found.error) < 1_100


def test_a_rejected_job_has_ended(engine: Engine) -> None:
    (lease,) = claim(engine, arriving=[job()])
    with engine.begin() as connection:
        ledger.reject(connection, lease, "it is too long\x00")
    found = row(engine, lease.id)
    assert (found.state, found.error) == ("rejected", "it is too long\\0")
    assert found.finished_at is not None
    assert claim(engine, lease.id) == []


def test_only_waiting_jobs_are_unpublished(engine: Engine) -> None:
    waiting, held = job("waits"), job("held")
    accept(engine, waiting)
    claim(engine, arriving=[held])
    with engine.begin() as connection:
        ledger.unpublish(connection, [waiting.id, held.id])
    assert row(engine, waiting.id).published_at is None
    assert row(engine, held.id).published_at is not None


def test_what_is_rolled_back_never_was(engine: Engine) -> None:
    new = job()
    with engine.connect() as connection:
        ledger.accept(connection, [new])
        connection.rollback()
    assert claim(engine, new.id) == []


def test_only_a_claim_of_what_the_ledger_has_does_not_wait_for_the_disk(engine: Engine) -> None:
    """A text that came with its message is nowhere else, and the message is forgotten later."""
    known, brought = job("known"), job("brought")
    accept(engine, known)
    for arriving, waits in (([], "off"), ([brought], "on")):
        with engine.begin() as connection:
            assert len(ledger.claim(connection, arriving, [known.id], LEASE_S)) == 1
            setting = connection.execute(text("SHOW synchronous_commit")).scalar_one()
            assert setting == waits
        with engine.connect() as connection:
            assert connection.execute(text("SHOW synchronous_commit")).scalar_one() == "on"
