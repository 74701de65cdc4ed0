"""The client of a role that is a member of `plumbline_producer` only, without rights on a table."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege, InvalidParameterValue
from sqlalchemy import Engine

from plumbline_client import Client
from plumbline_client.errors import DatabaseRefused, JobUnknown
from plumbline_client.identity import keyed_id
from tests.ledger import Ledger
from tests.predictions import new_prediction
from tests.roles import role
from tests.servers import execute

NO_REDIS = "redis://127.0.0.1:1/0"


@pytest.fixture
def login(database_url: str) -> Iterator[tuple[str, str]]:
    """The name and the URL of a role without rights."""
    with role(database_url) as named:
        yield named


@pytest.fixture
def producer_url(database_url: str, login: tuple[str, str]) -> str:
    name, url = login
    execute(database_url, f"GRANT plumbline_producer TO {name}")
    return url


def test_a_producer_submits_waits_and_cancels_without_rights_on_a_table(
    producer_url: str, broker_url: str, engine: Engine
) -> None:
    ledger = Ledger(engine)
    with Client(producer_url, broker_url, source="test", message_size=2) as client:
        receipts = list(client.submit_many(f"text {number}" for number in range(5)))
        assert all(receipt.new and receipt.published for receipt in receipts)
        first, second, *_ = (receipt.job_id for receipt in receipts)
        ledger.finish(*(new_prediction(lease) for lease in ledger.claim(first)))
        assert client.cancel(second).cancelled
        scored, cancelled = client.wait([first, second], timeout_s=10.0)
        assert (scored.state, cancelled.state) == ("scored", "cancelled")
        assert scored.decision is not None
        # It may not read texts, and submitted them itself.
        assert (scored.text, cancelled.text) == (None, None)
        assert client.result(uuid.uuid4()) is None
        with pytest.raises(JobUnknown):
            client.cancel(uuid.uuid4())
        with pytest.raises(DatabaseRefused, match="permission denied for view results"):
            client.results(source="test")


def test_an_unpublished_job_of_a_producer_is_left_to_the_relay(
    producer_url: str, engine: Engine
) -> None:
    with Client(producer_url, NO_REDIS) as client:
        receipt = client.submit("text")
    assert not receipt.published
    assert Ledger(engine).row(receipt.job_id).published_at is None


def test_a_reader_and_producer_reads_texts_too(
    producer_url: str, login: tuple[str, str], database_url: str, broker_url: str
) -> None:
    execute(database_url, f"GRANT plumbline_reader TO {login[0]}")
    with Client(producer_url, broker_url) as client:
        job = client.submit("text").job_id
        result = client.result(job)
        assert result is not None and result.text == "text"
        assert [row.job_id for row in client.results(source="default")] == [job]


@pytest.mark.parametrize("group", ["plumbline_reader", None])
def test_another_role_may_call_no_function_of_a_producer(
    database_url: str, login: tuple[str, str], group: str | None
) -> None:
    name, url = login
    execute(database_url, f"GRANT {group or 'USAGE ON SCHEMA plumbline'} TO {name}")
    advice = f"run GRANT plumbline_producer TO {name}"
    with psycopg.connect(url, autocommit=True) as connection:
        for call in (
            "submit_many_v1('[]')",
            "cancel_v1(gen_random_uuid())",
            "states_v1('{}')",
            "unpublish_v1('{}')",
            "count_queued_v1(1)",
            *(() if group else ("results_v1('{}')",)),
        ):
            with pytest.raises(InsufficientPrivilege, match=advice):
                connection.execute(f"SELECT * FROM plumbline.{call}")
    with (
        Client(url, NO_REDIS) as client,
        pytest.raises(DatabaseRefused, match=r"may not submit texts: run GRANT plumbline_producer"),
    ):
        client.submit("text")


def test_a_producer_cannot_choose_the_id_of_a_job(producer_url: str, engine: Engine) -> None:
    """The id of another source's key, or of a message, would make its text vanish."""
    taken = keyed_id("billing", "invoice-1")
    call = "SELECT id FROM plumbline.submit_many_v1(CAST(%s AS json))"
    with psycopg.connect(producer_url, autocommit=True) as connection:
        with pytest.raises(InvalidParameterValue, match="the id is not a random one"):
            connection.execute(call, [f'[{{"id": "{taken}", "source": "web", "text": "x"}}]'])
        keyed = f'[{{"id": "{taken}", "source": "web", "key": "k", "text": "x"}}]'
        assert connection.execute(call, [keyed]).fetchone() == (keyed_id("web", "k"),)
        random = uuid.uuid4()
        for text, conflict in (("one", False), ("one", False), ("two", True)):
            job = f'[{{"id": "{random}", "source": "web", "text": "{text}"}}]'
            row = connection.execute(call.replace("SELECT id", "SELECT id, conflict"), [job])
            assert row.fetchone() == (random, conflict)
    assert Ledger(engine).row(random).text == "one"


def test_a_producers_document_is_checked(producer_url: str, engine: Engine) -> None:
    call = "SELECT id, state, error FROM plumbline.submit_many_v1(CAST(%s AS json))"
    with psycopg.connect(producer_url, autocommit=True) as connection:
        for job, reason in {
            '{"text": "x"}': "the source is NULL",
            '{"source": "", "text": "x"}': "the source is empty",
            f'{{"source": "{"s" * 201}", "text": "x"}}': "the source has 201 characters",
            '{"source": "a", "key": "", "text": "x"}': "the key is empty",
            f'{{"source": "a", "key": "{"k" * 5000}", "text": "x"}}': "the key has 5,000 bytes",
        }.items():
            with pytest.raises(InvalidParameterValue, match=reason):
                connection.execute(call, [f'[{{"source": "a", "text": "good"}}, {job}]'])
        odd = (
            f'[{{"source": "a", "text": "x", "deadline": "infinity", "notes": ["\\u001b[2J"]}},'
            f'{{"source": "a", "error": "{"e" * 5000}", "text": "x"}}, {{"source": "a"}}]'
        )
        first, second, third = connection.execute(call, [odd]).fetchall()
    ledger = Ledger(engine)
    assert (ledger.row(first[0]).deadline, ledger.row(first[0]).notes) == (None, [])
    assert (ledger.row(second[0]).text, len(second[2])) == (None, 1_000)
    assert third[1:] == ("rejected", "the text is NULL, not a string")
