"""`Client.cancel`: only a queued job can be cancelled."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from plumbline_client import Cancellation, Client
from plumbline_client.errors import JobUnknown
from plumbline_client.new_job import new_job
from plumbline_client.states import JobState
from storage.jobs.outbox import unpublish
from tests.ledger import Ledger


@pytest.fixture
def client(database_url: str, broker_url: str) -> Iterator[Client]:
    with Client(database_url, broker_url) as client:
        yield client


@pytest.fixture
def ledger(engine: Engine) -> Ledger:
    return Ledger(engine)


def test_queued_job_is_cancelled_with_the_reason(client: Client) -> None:
    job_id = client.submit("text").job_id
    assert client.cancel(job_id, reason="sent by mistake\x00") == Cancellation(
        job_id, True, JobState.CANCELLED, "sent by mistake\\0"
    )
    result = client.wait([job_id], timeout_s=0.0)[0]
    assert (result.state, result.error) == ("cancelled", "sent by mistake\\0")
    assert result.finished_at is not None


def test_message_of_a_cancelled_job_changes_nothing(client: Client, ledger: Ledger) -> None:
    job_id = client.submit("text", key="k").job_id
    client.cancel(job_id)
    assert ledger.claim(job_id) == []
    arriving = new_job("text", source="default", max_chars=100, key="k")
    assert arriving.id == job_id
    assert ledger.claim(arriving=[arriving]) == []
    with ledger.engine.begin() as connection:
        unpublish(connection, [job_id])
    again = client.submit("text", key="k")
    assert (again.new, again.state) == (False, JobState.CANCELLED)
    result = client.result(job_id)
    assert result is not None and (result.state, result.attempts) == ("cancelled", 0)


def test_leased_job_is_unchanged(client: Client, ledger: Ledger) -> None:
    job_id = client.submit("text").job_id
    ledger.claim(job_id)
    assert client.cancel(job_id) == Cancellation(job_id, False, JobState.LEASED, None)


@pytest.mark.parametrize("state", ["scored", "expired", "quarantined", "rejected", "cancelled"])
def test_ended_job_is_unchanged(client: Client, ledger: Ledger, state: str) -> None:
    job_id = client.submit("text").job_id
    ledger.change(f"state = '{state}', error = 'as it was'", job_id)
    assert client.cancel(job_id) == Cancellation(job_id, False, JobState(state), "as it was")


def test_unknown_job_is_one_sentence(client: Client) -> None:
    job_id = uuid.uuid4()
    with pytest.raises(JobUnknown, match=rf"^There is no job {job_id}\.$"):
        client.cancel(job_id)
