"""The SQL door: in the caller's own transaction, by the same rules as every other door."""

from __future__ import annotations

import random
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError, InternalError

from plumbline.messages import ScoreMessage
from plumbline.settings import Settings
from plumbline_client import Client, Submission
from plumbline_client.identity import keyed_id
from plumbline_client.new_job import new_job
from plumbline_client.text import MAX_CHARS
from storage.database import connect
from storage.jobs import ledger
from storage.jobs.sweep import sweep
from tests.waiting import eventually
from worker.processing.score_message import arriving_jobs

# All that str.strip() takes off.
SPACES = "".join(filter(str.isspace, map(chr, range(0x110000))))
CALL = text(
    "SELECT plumbline.submit_v1(:text, key => :key, source => :source, deadline => :deadline)"
)


def submit(connection: Connection, value: str | None, **given: Any) -> uuid.UUID:
    arguments = {"text": value, "key": None, "source": "default", "deadline": None} | given
    found: uuid.UUID = connection.execute(CALL, arguments).scalar_one()
    return found


def row(engine: Engine, job_id: uuid.UUID) -> Any:
    with engine.connect() as connection:
        return connection.execute(
            text("SELECT * FROM plumbline.jobs WHERE id = :id"), {"id": job_id}
        ).one_or_none()


def count(engine: Engine) -> int:
    with engine.connect() as connection:
        found: int = connection.execute(text("SELECT count(*) FROM plumbline.jobs")).scalar_one()
        return found


def test_a_text_waits_for_the_relay_once_its_transaction_commits(engine: Engine) -> None:
    with engine.begin() as connection:
        job_id = submit(connection, "See you at six", key="k", source="billing")
        assert row(engine, job_id) is None, "nobody sees it before"
    found = row(engine, job_id)
    assert (found.state, found.text, found.source, found.key) == (
        "queued", "See you at six", "billing", "k",
    )  # fmt: skip
    assert bytes(found.text_sha256) == ledger.text_hash("See you at six")
    assert (found.attempts, found.published_at, found.finished_at) == (0, None, None)
    assert job_id == keyed_id("billing", "k")


def test_what_is_rolled_back_was_never_submitted(engine: Engine) -> None:
    with engine.connect() as connection, connection.begin() as transaction:
        submit(connection, "text", key="k")
        transaction.rollback()
    assert count(engine) == 0


def test_the_same_key_again_is_the_same_job(engine: Engine) -> None:
    with engine.begin() as connection:
        first, again = (submit(connection, value, key="k") for value in ("first", "second"))
        other = submit(connection, "third", key="k", source="other")
    assert first == again != other
    assert row(engine, first).text == "first"


def test_without_a_key_each_call_is_a_job(engine: Engine) -> None:
    with engine.begin() as connection:
        assert submit(connection, "text") != submit(connection, "text")


def test_a_whole_table_is_submitted_in_one_statement(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(
            text("CREATE TEMP TABLE mails AS SELECT n AS id, 'mail ' || n AS body "
                 "FROM generate_series(1, 100) AS n")
        )  # fmt: skip
        connection.execute(
            text("SELECT plumbline.submit_v1(body, key => 'mail-' || id) FROM mails")
        )
    assert count(engine) == 100


@pytest.mark.parametrize(
    "given",
    [
        {"text": ""},
        {"text": SPACES},
        {"text": "\u200b"},
        {"text": "x" * MAX_CHARS},
        {"text": "🎉" * (MAX_CHARS + 1)},
        {"text": "x", "key": ""},
        {"text": "x", "key": "é" * 500},
        {"text": "x", "key": "k" * 1_501, "deadline": datetime(2030, 1, 1, tzinfo=UTC)},
        {"text": " ", "key": "k", "deadline": datetime(2030, 1, 1, tzinfo=UTC)},
        {"text": " ", "key": ""},
    ],
)
def test_the_row_is_the_one_the_client_would_write(engine: Engine, given: dict[str, Any]) -> None:
    value = given.pop("text")
    expected = new_job(value, source="default", max_chars=MAX_CHARS, **given)
    with engine.begin() as connection:
        found = row_of(connection, submit(connection, value, **given))
    assert (found.text, bytes(found.text_sha256), found.key, found.deadline, found.error) == (
        expected.text, expected.text_sha256, expected.key, expected.deadline, expected.error,
    )  # fmt: skip
    assert found.state == ("queued" if expected.error is None else "rejected")
    assert (found.finished_at is None) == (expected.error is None)
    if expected.key is not None:
        assert found.id == expected.id


def row_of(connection: Connection, job_id: uuid.UUID) -> Any:
    return connection.execute(
        text("SELECT * FROM plumbline.jobs WHERE id = :id"), {"id": job_id}
    ).one()


def test_no_text_at_all_is_a_row_that_says_so(engine: Engine) -> None:
    with engine.begin() as connection:
        job_id = submit(connection, None)
    assert row(engine, job_id).error == "the text is NULL, not a string"


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("", "The source is empty."),
        (None, "The source is NULL."),
        ("s" * 201, "The source has 201 characters, and at most 200 are accepted."),
    ],
)
def test_a_source_that_cannot_be_stored_is_an_error(
    engine: Engine, source: str | None, says: str
) -> None:
    with pytest.raises(DBAPIError) as refused, engine.begin() as connection:
        submit(connection, "text", source=source)
    assert isinstance(refused.value.orig, psycopg.errors.InvalidParameterValue)
    assert refused.value.orig.diag.message_primary == says


def test_the_length_accepted_is_the_settings_default() -> None:
    assert Settings.model_fields["max_text_chars"].default == MAX_CHARS


def test_sql_and_python_name_a_key_alike(engine: Engine) -> None:
    drawn = random.Random(4)
    alphabet = "aZ09 \t\n'\"\\%:_-éßщ中🎉\u200b\ufffd\U0010ffff"
    parts = ["".join(drawn.choices(alphabet, k=drawn.randint(1, 60))) for _ in range(400)]
    with engine.connect() as connection:
        rows = connection.execute(
            text("SELECT source, key, plumbline.keyed_id_v1(source, key) AS id FROM "
                 "unnest(CAST(:sources AS text[]), CAST(:keys AS text[])) AS pair (source, key)"),
            {"sources": parts[:200], "keys": parts[200:]},
        ).all()  # fmt: skip
    assert len(rows) == 200
    assert all(found.id == keyed_id(found.source, found.key) for found in rows)


@pytest.mark.parametrize("infinite", ["infinity", "-infinity"])
def test_an_endless_deadline_stays_readable(engine: Engine, infinite: str) -> None:
    with engine.begin() as connection:
        job_id = submit(connection, "text", deadline=infinite)
    deadline = row(engine, job_id).deadline
    assert (deadline is None) == (infinite == "infinity")


def test_a_deadline_that_passed_ends_as_expired_through_each_door(
    engine: Engine, database_url: str, broker_url: str
) -> None:
    past = datetime(2020, 1, 1, tzinfo=UTC)
    with Client(database_url, broker_url) as client:
        ids = [client.submit("text", deadline=past).job_id]
    with engine.begin() as connection:
        ids.append(submit(connection, "text", deadline=past))
        bare = {"version": 1, "jobs": [{"text": "text", "deadline": past.isoformat()}]}
        arriving = arriving_jobs(ScoreMessage.parse(bare), "message", Settings())
        ids.append(arriving[0].id)
        assert ledger.claim(connection, arriving, ids[:2], 60.0) == []
        assert sweep(connection, max_attempts=3, republish_after_s=60.0, most=10) is not None
    for job_id in ids:
        found = row(engine, job_id)
        assert (found.state, found.error) == (
            "expired", "its deadline passed before it was scored",
        )  # fmt: skip


def test_one_key_through_all_three_doors_at_once_is_one_job(
    engine: Engine, database_url: str, broker_url: str
) -> None:
    pool = connect(database_url, pool_size=6)
    doors = 9
    rounds = 20
    at_once = threading.Barrier(doors, timeout=60)

    def enter(door: int) -> list[uuid.UUID]:
        with Client(database_url, broker_url, source="app") as client:
            ids = []
            for key in map(str, range(rounds)):
                at_once.wait()
                ids.append(through(door % 3, client, key))
            return ids

    def through(door: int, client: Client, key: str) -> uuid.UUID:
        if door == 0:
            return next(client.submit_many([Submission("text", key)])).job_id
        with pool.begin() as connection:
            if door == 1:
                return submit(connection, "text", key=key, source="app")
            bare = {"version": 1, "source": "app", "jobs": [{"text": "text", "key": key}]}
            arriving = arriving_jobs(ScoreMessage.parse(bare), uuid.uuid4().hex, Settings())
            ledger.claim(connection, arriving, [], 60.0)
            return arriving[0].id

    with ThreadPoolExecutor(doors) as threads:
        found = list(threads.map(enter, range(doors)))
    pool.dispose()
    assert len({tuple(ids) for ids in found}) == 1
    assert count(engine) == rounds


@pytest.fixture
def producer(engine: Engine) -> Iterator[Engine]:
    yield from member_of(engine, "plumbline_producer")


@pytest.fixture
def reader(engine: Engine) -> Iterator[Engine]:
    yield from member_of(engine, "plumbline_reader")


def member_of(engine: Engine, role: str) -> Iterator[Engine]:
    """Somebody who may log in and is a member of `role` and nothing else."""
    name = "somebody_" + uuid.uuid4().hex
    with engine.begin() as connection:
        connection.execute(text(f"CREATE ROLE {name} LOGIN PASSWORD 'secret' IN ROLE {role}"))
    url = engine.url.set(username=name, password="secret")
    member = connect(url.render_as_string(hide_password=False))
    yield member
    member.dispose()
    # What it made for the time of its session is gone a moment after the session.
    eventually(lambda: gone(engine, name), 30)


def gone(engine: Engine, role: str) -> bool:
    try:
        with engine.begin() as connection:
            connection.execute(text(f"DROP ROLE {role}"))
    except InternalError:
        return False
    return True


def refused(engine: Engine, statement: str) -> bool:
    try:
        with engine.begin() as connection:
            connection.execute(text(statement))
    except DBAPIError as error:
        return isinstance(error.orig, psycopg.errors.InsufficientPrivilege)
    return False


def test_a_producer_submits_and_nothing_else(engine: Engine, producer: Engine) -> None:
    with producer.begin() as connection:
        job_id = submit(connection, "text", key="k")
    assert row(engine, job_id).state == "queued"
    for statement in (
        "SELECT * FROM plumbline.jobs",
        "SELECT * FROM plumbline.results",
        "INSERT INTO plumbline.jobs (id) VALUES (gen_random_uuid())",
        "UPDATE plumbline.jobs SET state = 'scored'",
        "DELETE FROM plumbline.jobs",
        "SELECT plumbline.keyed_id_v1('default', 'k')",
        "CALL plumbline.grant_roles()",
        "CREATE TABLE plumbline.mine (id int)",
    ):
        assert refused(producer, statement), statement


def test_a_producers_own_objects_cannot_stand_in_for_ours(engine: Engine, producer: Engine) -> None:
    """The function runs with its owner's rights: a name it uses must never be the caller's."""
    with producer.begin() as connection:
        for statement in (
            "CREATE FUNCTION pg_temp.pg_notify(text, text) RETURNS void "
            "LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''mine''; END'",
            "CREATE FUNCTION pg_temp.char_length(text) RETURNS int LANGUAGE sql AS 'SELECT 0'",
            "SET search_path = pg_temp, pg_catalog",
            "SET standard_conforming_strings = off",
        ):
            connection.execute(text(statement))
        job_id = submit(connection, "x" * (MAX_CHARS + 1))
        assert submit(connection, "text") != job_id
    assert row(engine, job_id).state == "rejected"


def test_a_reader_reads_results_and_changes_nothing(engine: Engine, reader: Engine) -> None:
    with engine.begin() as connection:
        job_id = submit(connection, "text", key="k")
    with reader.connect() as connection:
        found = connection.execute(
            text("SELECT job_id, state FROM plumbline.results "
                 "WHERE job_id = plumbline.keyed_id_v1('default', 'k')")
        ).one()  # fmt: skip
        assert tuple(found) == (job_id, "queued")
        for table in ("predictions", "labels", "model_versions", "deployments", "drift_values"):
            connection.execute(text(f"SELECT * FROM plumbline.{table}")).all()
    for statement in (
        "SELECT plumbline.submit_v1('text')",
        "SELECT * FROM plumbline.jobs",
        "DELETE FROM plumbline.predictions",
        "UPDATE plumbline.predictions SET label = 'spam'",
    ):
        assert refused(reader, statement), statement


def test_nobody_else_may_submit(engine: Engine) -> None:
    for stranger in member_of(engine, "pg_monitor"):
        assert refused(stranger, "SELECT plumbline.submit_v1('text')")
