"""A job that waits can be withdrawn; nothing else about a job can be."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, text

from plumbline_client import Cancellation, Client
from plumbline_client.errors import JobUnknown
from plumbline_client.new_job import new_job
from plumbline_client.states import JobState
from storage.jobs import ledger


@pytest.fixture
def client(database_url: str, broker_url: str) -> Iterator[Client]:
    with Client(database_url, broker_url) as it:
        yield it


def claim(engine: Engine, *ids: uuid.UUID) -> list[ledger.Lease]:
    with engine.begin() as connection:
        return ledger.claim(connection, [], ids, 60.0)


def test_a_job_that_waits_ends_with_the_reason(client: Client) -> None:
    job_id = client.submit("text").job_id
    assert client.cancel(job_id, reason="sent by mistake\x00") == Cancellation(
        job_id, True, JobState.CANCELLED, "sent by mistake\\0"
    )
    found = client.wait([job_id], timeout_s=0.0)[0]
    assert (found.state, found.error) == ("cancelled", "sent by mistake\\0")
    assert found.finished_at is not None


def test_a_cancelled_jobs_message_changes_nothing(client: Client, engine: Engine) -> None:
    job_id = client.submit("text", key="k").job_id
    client.cancel(job_id)
    assert claim(engine, job_id) == []
    bare = new_job("text", source="default", max_chars=100, key="k")
    assert bare.id == job_id
    with engine.begin() as connection:
        assert ledger.claim(connection, [bare], [], 60.0) == []
        ledger.unpublish(connection, [job_id])
    again = client.submit("text", key="k")
    assert (again.new, again.state) == (False, JobState.CANCELLED)
    found = client.result(job_id)
    assert found is not None and (found.state, found.attempts) == ("cancelled", 0)


def test_a_job_that_is_being_scored_stays_so(client: Client, engine: Engine) -> None:
    job_id = client.submit("text").job_id
    claim(engine, job_id)
    assert client.cancel(job_id) == Cancellation(job_id, False, JobState.LEASED, None)


@pytest.mark.parametrize("state", ["scored", "expired", "quarantined", "rejected", "cancelled"])
def test_a_job_that_has_ended_stays_so(client: Client, engine: Engine, state: str) -> None:
    job_id = client.submit("text").job_id
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE plumbline.jobs SET state = :state, error = 'as it was'"), {"state": state}
        )
    assert client.cancel(job_id) == Cancellation(job_id, False, JobState(state), "as it was")


def test_a_job_nobody_knows_is_one_sentence(client: Client) -> None:
    job_id = uuid.uuid4()
    with pytest.raises(JobUnknown, match=rf"^There is no job {job_id}\.$"):
        client.cancel(job_id)
