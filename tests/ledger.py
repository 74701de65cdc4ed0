"""The ledger for tests: the client's statements, and each function in its own transaction."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Engine, text

from plumbline_client import statements
from plumbline_client.new_job import (
    DEADLINE,
    DOCUMENT_COLUMNS,
    NewJob,
    new_job,
    to_document,
)
from plumbline_client.states import JobState
from storage.jobs.claim import Lease, claim
from storage.jobs.finish import finish
from storage.jobs.predictions import NewPrediction

LEASE_S = 60.0


# How the clients of earlier releases accept texts, as the owner of the tables.
ACCEPT = f"""
INSERT INTO plumbline.jobs
    (id, source, key, text, text_sha256, notes, deadline, error, state, published_at, finished_at)
SELECT id, source, key, text, text_sha256, notes, {DEADLINE}, error,
       CASE WHEN error IS NULL THEN 'queued' ELSE 'rejected' END,
       CASE WHEN error IS NULL THEN now() END,
       CASE WHEN error IS NOT NULL THEN now() END
FROM json_to_recordset(CAST(%(jobs)s AS json)) AS new ({DOCUMENT_COLUMNS})
ORDER BY id
ON CONFLICT (id) DO NOTHING
RETURNING id
"""


def accept(connection: Connection, jobs: Sequence[NewJob]) -> set[uuid.UUID]:
    """Insert new jobs, refused ones as `rejected`; return the ids that were not in the ledger."""
    unique = {job.id: job for job in reversed(jobs)}.values()
    rows = connection.exec_driver_sql(ACCEPT, {"jobs": to_document(list(unique))})
    return {row.id for row in rows}


def states(
    connection: Connection, ids: Sequence[uuid.UUID]
) -> dict[uuid.UUID, tuple[JobState, str | None]]:
    """Return state and error of each job that the ledger has."""
    rows = connection.exec_driver_sql(statements.STATES, {"ids": list(ids)})
    return {row.id: (JobState(row.state), row.error) for row in rows}


def cancel(connection: Connection, ids: Sequence[uuid.UUID], reason: str) -> set[uuid.UUID]:
    """Cancel queued jobs; return their ids."""
    return {
        job_id
        for job_id in ids
        for row in connection.exec_driver_sql(statements.CANCEL, {"id": job_id, "reason": reason})
        if row.cancelled
    }


def keyed(engine: Engine, digest: bytes) -> bytes:
    """Return the keyed hash of a text's plain one."""
    with engine.connect() as connection:
        query = text("SELECT plumbline.keyed_hash(:digest)")
        return bytes(connection.execute(query, {"digest": digest}).scalar_one())


def count_jobs(engine: Engine, condition: str = "true") -> int:
    with engine.connect() as connection:
        rows = connection.execute(text(f"SELECT count(*) FROM plumbline.jobs WHERE {condition}"))
        return int(rows.scalar_one())


def count_predictions(engine: Engine) -> int:
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT count(*) FROM plumbline.predictions"))
        return int(rows.scalar_one())


def job(value: str = "See you at six", **options: Any) -> NewJob:
    return new_job(value, source="test", max_chars=1_000, **options)


class Ledger:
    """The ledger's functions on an engine; each call is a transaction of its own."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def accept(self, *jobs: NewJob) -> set[uuid.UUID]:
        with self.engine.begin() as connection:
            return accept(connection, jobs)

    def accept_texts(self, count: int = 1) -> list[uuid.UUID]:
        """Accept this many different texts; return their ids in order."""
        jobs = [job(f"text {number}") for number in range(count)]
        self.accept(*jobs)
        return [new.id for new in jobs]

    def claim(
        self, *known: uuid.UUID, arriving: Sequence[NewJob] = (), lease_s: float = LEASE_S
    ) -> list[Lease]:
        with self.engine.begin() as connection:
            return claim(connection, arriving, known, lease_s)

    def finish(self, *predictions: NewPrediction) -> set[uuid.UUID]:
        with self.engine.begin() as connection:
            return finish(connection, predictions)

    def change(self, assignment: str, *ids: uuid.UUID) -> None:
        """Run an UPDATE of these jobs with a SET clause of the test's own."""
        statement = f"UPDATE plumbline.jobs SET {assignment} WHERE id = ANY (CAST(:ids AS uuid[]))"
        with self.engine.begin() as connection:
            connection.execute(text(statement), {"ids": list(ids)})

    def row(self, job_id: uuid.UUID) -> Any:
        """Return one row of the table `jobs`."""
        statement = text("SELECT * FROM plumbline.jobs WHERE id = :id")
        with self.engine.connect() as connection:
            return connection.execute(statement, {"id": job_id}).one()
