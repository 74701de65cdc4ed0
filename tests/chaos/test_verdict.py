"""The verdict sees what it is there to see: each way to break the promise changes its line."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from sqlalchemy import Connection, Engine, text

from plumbline_client.new_job import new_job
from storage.jobs import ledger
from tests.answers import answer
from tests.chaos.plan import SOURCE, Job, Kind
from tests.chaos.verdict import Verdict, judge, read, watch

JOBS = [Job(number, Kind.NORMAL, f"#{number} see you", f"job {number}") for number in range(3)]


def accept(connection: Connection, jobs: Sequence[Job]) -> dict[int, set[uuid.UUID]]:
    new = [new_job(job.text, source=SOURCE, max_chars=100, key=job.key) for job in jobs]
    ledger.accept(connection, new)
    return {job.number: {made.id} for job, made in zip(jobs, new, strict=True)}


def score(connection: Connection, ids: Sequence[uuid.UUID]) -> None:
    leases = ledger.claim(connection, [], ids, 60.0)
    ledger.finish(connection, [answer(lease) for lease in leases])


def verdict(engine: Engine, spoil: str = "SELECT 1", jobs: Sequence[Job] = JOBS) -> Verdict:
    """Accept and score all, do `spoil` to the first one (:id), and judge."""
    watch(engine)
    with engine.begin() as connection:
        accepted = accept(connection, jobs)
        score(connection, [job_id for ids in accepted.values() for job_id in ids])
        (first,) = accepted[0]
        connection.execute(text(spoil), {"id": first} if ":id" in spoil else {})
        return judge(jobs, read(connection), accepted, set())


def test_all_scored_once_holds(engine: Engine) -> None:
    found = verdict(engine)
    assert found.holds
    assert found.line == (
        "accepted 3 · scored 3 · lost 0 · scored twice 0 · quarantined 0 of 0 · expired 0 of 0"
    )


def test_a_second_prediction_is_scored_twice(engine: Engine) -> None:
    found = verdict(
        engine,
        "INSERT INTO plumbline.predictions SELECT * FROM plumbline.predictions WHERE job_id = :id",
    )
    assert "scored twice 1" in found.line and not found.holds


def test_a_prediction_written_over_is_scored_twice(engine: Engine) -> None:
    found = verdict(engine, "UPDATE plumbline.predictions SET probability = 0.6 WHERE job_id = :id")
    assert "scored twice 1" in found.line and not found.holds


def test_one_submission_that_became_two_jobs_is_scored_twice(engine: Engine) -> None:
    found = verdict(
        engine,
        "INSERT INTO plumbline.jobs (id, source, text, text_sha256, state, finished_at) "
        "SELECT gen_random_uuid(), source, text, text_sha256, state, finished_at "
        "FROM plumbline.jobs WHERE id = :id",
    )
    assert "scored twice 1" in found.line and not found.holds


def test_an_accepted_job_that_is_not_there_is_lost(engine: Engine) -> None:
    watch(engine)
    with engine.begin() as connection:
        accepted = accept(connection, JOBS)
        score(connection, [job_id for ids in accepted.values() for job_id in ids])
        accepted[0] = {uuid.uuid4()}
        found = judge(JOBS, read(connection), accepted, set())
    assert "lost 1" in found.line and not found.holds


def test_a_job_that_never_ends_is_lost(engine: Engine) -> None:
    found = verdict(
        engine,
        "WITH gone AS (DELETE FROM plumbline.predictions WHERE job_id = :id) "
        "UPDATE plumbline.jobs SET state = 'queued' WHERE id = :id",
    )
    assert "scored 2 · lost 1" in found.line and not found.holds


def test_a_scored_job_without_its_prediction_does_not_hold(engine: Engine) -> None:
    found = verdict(engine, "DELETE FROM plumbline.predictions WHERE job_id = :id")
    assert "scored 2" in found.line and not found.holds


def test_poison_that_was_scored_does_not_hold(engine: Engine) -> None:
    found = verdict(engine, jobs=[Job(0, Kind.POISON, "#0 poison", "job 0"), *JOBS[1:]])
    assert "quarantined 0 of 1" in found.line and not found.holds


def test_a_text_set_aside_without_being_poison_does_not_hold(engine: Engine) -> None:
    found = verdict(engine, "UPDATE plumbline.jobs SET state = 'quarantined' WHERE id = :id")
    assert not found.holds


def test_a_bare_message_that_is_nowhere_is_the_brokers(engine: Engine) -> None:
    watch(engine)
    with engine.begin() as connection:
        found = judge(JOBS[:1], read(connection), {}, {0})
    assert found.broker_lost == [0] and not found.lost
