"""The audit detects each way of breaking the promise."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from sqlalchemy import Connection, Engine, text

from plumbline_client.new_job import new_job
from storage.jobs.claim import claim
from storage.jobs.finish import finish
from tests.chaos.audit import Audit, audit_ledger, read_ledger, record_changes
from tests.chaos.plan import SOURCE, Job, JobKind
from tests.ledger import accept
from tests.predictions import new_prediction

JOBS = [Job(number, JobKind.NORMAL, f"#{number} see you", f"job {number}") for number in range(3)]


def accept_jobs(connection: Connection, jobs: Sequence[Job]) -> dict[int, set[uuid.UUID]]:
    new_jobs = [new_job(job.text, source=SOURCE, max_chars=100, key=job.key) for job in jobs]
    accept(connection, new_jobs)
    return {job.number: {new.id} for job, new in zip(jobs, new_jobs, strict=True)}


def score(connection: Connection, ids: Sequence[uuid.UUID]) -> None:
    leases = claim(connection, [], ids, 60.0)
    finish(connection, [new_prediction(lease) for lease in leases])


def audit_after(engine: Engine, change: str = "SELECT 1", jobs: Sequence[Job] = JOBS) -> Audit:
    """Accept and score all jobs, apply `change` to the first one (:id), and audit."""
    record_changes(engine)
    with engine.begin() as connection:
        acknowledged = accept_jobs(connection, jobs)
        score(connection, [job_id for ids in acknowledged.values() for job_id in ids])
        (first,) = acknowledged[0]
        connection.execute(text(change), {"id": first} if ":id" in change else {})
        return audit_ledger(jobs, read_ledger(connection), acknowledged, set())


def test_audit_passes_if_every_job_is_scored_once(engine: Engine) -> None:
    audit = audit_after(engine)
    assert audit.passed
    assert audit.line == (
        "accepted 3 · scored 3 · lost 0 · scored twice 0 · quarantined 0 of 0 · expired 0 of 0 · "
        "lost by the broker 0 of 0"
    )


def test_second_prediction_counts_as_scored_twice(engine: Engine) -> None:
    audit = audit_after(
        engine,
        "INSERT INTO plumbline.predictions SELECT * FROM plumbline.predictions WHERE job_id = :id",
    )
    assert "scored twice 1" in audit.line and not audit.passed


def test_overwritten_prediction_counts_as_scored_twice(engine: Engine) -> None:
    audit = audit_after(
        engine, "UPDATE plumbline.predictions SET probability = 0.6 WHERE job_id = :id"
    )
    assert "scored twice 1" in audit.line and not audit.passed


def test_submission_that_became_two_jobs_counts_as_scored_twice(engine: Engine) -> None:
    audit = audit_after(
        engine,
        "INSERT INTO plumbline.jobs (id, source, text, text_hash, state, finished_at) "
        "SELECT gen_random_uuid(), source, text, text_hash, state, finished_at "
        "FROM plumbline.jobs WHERE id = :id",
    )
    assert "scored twice 1" in audit.line and not audit.passed


def test_acknowledged_job_that_is_missing_is_lost(engine: Engine) -> None:
    record_changes(engine)
    with engine.begin() as connection:
        acknowledged = accept_jobs(connection, JOBS)
        score(connection, [job_id for ids in acknowledged.values() for job_id in ids])
        acknowledged[0] = {uuid.uuid4()}
        audit = audit_ledger(JOBS, read_ledger(connection), acknowledged, set())
    assert "lost 1" in audit.line and not audit.passed


def test_job_that_never_ends_is_lost(engine: Engine) -> None:
    audit = audit_after(
        engine,
        "WITH gone AS (DELETE FROM plumbline.predictions WHERE job_id = :id) "
        "UPDATE plumbline.jobs SET state = 'queued' WHERE id = :id",
    )
    assert "scored 2 · lost 1" in audit.line and not audit.passed


def test_scored_job_without_a_prediction_fails_the_audit(engine: Engine) -> None:
    audit = audit_after(engine, "DELETE FROM plumbline.predictions WHERE job_id = :id")
    assert "scored 2" in audit.line and not audit.passed


def test_scored_poison_fails_the_audit(engine: Engine) -> None:
    audit = audit_after(engine, jobs=[Job(0, JobKind.POISON, "#0 poison", "job 0"), *JOBS[1:]])
    assert "quarantined 0 of 1" in audit.line and not audit.passed


def test_quarantined_job_that_is_not_poison_fails_the_audit(engine: Engine) -> None:
    audit = audit_after(engine, "UPDATE plumbline.jobs SET state = 'quarantined' WHERE id = :id")
    assert not audit.passed


def test_bare_message_that_is_missing_was_lost_by_the_broker(engine: Engine) -> None:
    record_changes(engine)
    with engine.begin() as connection:
        audit = audit_ledger(JOBS[:1], read_ledger(connection), {}, {0})
    assert audit.line.endswith("lost by the broker 1 of 1")
    assert audit.broker_lost == [0] and not audit.lost and not audit.passed
