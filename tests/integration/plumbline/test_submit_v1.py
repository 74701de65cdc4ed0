"""`plumbline.submit_v1` works in the caller's transaction and accepts what the client accepts."""

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
from plumbline_client.defaults import MAX_TEXT_CHARS
from plumbline_client.identity import keyed_id
from plumbline_client.new_job import new_job, text_hash
from storage.database import connect
from storage.jobs.claim import claim
from storage.jobs.sweep import sweep
from tests.ledger import keyed
from tests.waiting import eventually
from worker.processing.score_message import Delivery, arriving_jobs
from worker.processing.slices import Slice

# Every character that str.strip() removes.
SPACES = "".join(filter(str.isspace, map(chr, range(0x110000))))
CALL = text(
    "SELECT plumbline.submit_v1(:text, key => :key, source => :source, deadline => :deadline)"
)


def submit(connection: Connection, value: str | None, **options: Any) -> uuid.UUID:
    arguments = {"text": value, "key": None, "source": "default", "deadline": None} | options
    job_id: uuid.UUID = connection.execute(CALL, arguments).scalar_one()
    return job_id


def read_job(connection: Connection, job_id: uuid.UUID) -> Any:
    return connection.execute(
        text("SELECT * FROM plumbline.jobs WHERE id = :id"), {"id": job_id}
    ).one_or_none()


def committed_job(engine: Engine, job_id: uuid.UUID) -> Any:
    with engine.connect() as connection:
        return read_job(connection, job_id)


def count_jobs(engine: Engine) -> int:
    with engine.connect() as connection:
        count: int = connection.execute(text("SELECT count(*) FROM plumbline.jobs")).scalar_one()
        return count


def test_a_text_is_queued_when_its_transaction_commits(engine: Engine) -> None:
    with engine.begin() as connection:
        job_id = submit(connection, "See you at six", key="k", source="billing")
        assert committed_job(engine, job_id) is None, "invisible before the commit"
    job = committed_job(engine, job_id)
    assert (job.state, job.text, job.source, job.key) == (
        "queued", "See you at six", "billing", "k",
    )  # fmt: skip
    assert job.text_sha256 is None
    assert bytes(job.text_hash) == keyed(engine, text_hash("See you at six"))
    assert (job.attempts, job.published_at, job.finished_at) == (0, None, None)
    assert job_id == keyed_id("billing", "k")


def test_a_rolled_back_text_was_never_submitted(engine: Engine) -> None:
    with engine.connect() as connection, connection.begin() as transaction:
        submit(connection, "text", key="k")
        transaction.rollback()
    assert count_jobs(engine) == 0


def test_the_same_key_again_is_the_same_job(engine: Engine) -> None:
    with engine.begin() as connection:
        first, again = (submit(connection, "first", key="k") for _ in range(2))
        other = submit(connection, "third", key="k", source="other")
    assert first == again != other
    assert committed_job(engine, first).text == "first"


def test_each_call_without_a_key_is_a_new_job(engine: Engine) -> None:
    with engine.begin() as connection:
        assert submit(connection, "text") != submit(connection, "text")


def test_one_statement_submits_a_whole_table(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(
            text("CREATE TEMP TABLE mails AS SELECT n AS id, 'mail ' || n AS body "
                 "FROM generate_series(1, 100) AS n")
        )  # fmt: skip
        connection.execute(
            text("SELECT plumbline.submit_v1(body, key => 'mail-' || id) FROM mails")
        )
    assert count_jobs(engine) == 100


@pytest.mark.parametrize(
    "arguments",
    [
        {"text": ""},
        {"text": SPACES},
        # Of invisible characters alone, the row differs: the function leaves it to the scorer.
        {"text": "a\u200b"},
        {"text": "x" * MAX_TEXT_CHARS},
        {"text": "🎉" * (MAX_TEXT_CHARS + 1)},
        {"text": "x", "key": ""},
        {"text": "x", "key": "é" * 500},
        {"text": "x", "key": "k" * 1_501, "deadline": datetime(2030, 1, 1, tzinfo=UTC)},
        {"text": " ", "key": "k", "deadline": datetime(2030, 1, 1, tzinfo=UTC)},
        {"text": " ", "key": ""},
    ],
)
def test_the_row_equals_the_one_that_the_client_writes(
    engine: Engine, arguments: dict[str, Any]
) -> None:
    options = dict(arguments)
    value = options.pop("text")
    expected = new_job(value, source="default", max_chars=MAX_TEXT_CHARS, **options)
    with engine.begin() as connection:
        job = read_job(connection, submit(connection, value, **options))
    expected_hash = keyed(engine, expected.text_sha256)
    assert (job.text, bytes(job.text_hash), job.key, job.deadline, job.error) == (
        expected.text, expected_hash, expected.key, expected.deadline, expected.error,
    )  # fmt: skip
    assert job.state == ("queued" if expected.error is None else "rejected")
    assert (job.finished_at is None) == (expected.error is None)
    if expected.key is not None:
        assert job.id == expected.id


def test_a_null_text_is_rejected_with_its_reason(engine: Engine) -> None:
    with engine.begin() as connection:
        job_id = submit(connection, None)
    assert committed_job(engine, job_id).error == "the text is NULL, not a string"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("", "The source is empty."),
        (None, "The source is NULL."),
        ("s" * 201, "The source has 201 characters, and at most 200 are accepted."),
    ],
)
def test_a_source_that_cannot_be_stored_is_an_error(
    engine: Engine, source: str | None, message: str
) -> None:
    with pytest.raises(DBAPIError) as refused, engine.begin() as connection:
        submit(connection, "text", source=source)
    assert isinstance(refused.value.orig, psycopg.errors.InvalidParameterValue)
    assert refused.value.orig.diag.message_primary == message


def test_the_maximum_text_length_is_the_default_of_the_setting() -> None:
    assert Settings.model_fields["max_text_chars"].default == MAX_TEXT_CHARS


def test_sql_and_python_derive_the_same_id_from_a_key(engine: Engine) -> None:
    generator = random.Random(4)
    alphabet = "aZ09 \t\n'\"\\%:_-éßщ中🎉\u200b\ufffd\U0010ffff"
    parts = ["".join(generator.choices(alphabet, k=generator.randint(1, 60))) for _ in range(400)]
    with engine.connect() as connection:
        rows = connection.execute(
            text("SELECT source, key, plumbline.keyed_id_v1(source, key) AS id FROM "
                 "unnest(CAST(:sources AS text[]), CAST(:keys AS text[])) AS pair (source, key)"),
            {"sources": parts[:200], "keys": parts[200:]},
        ).all()  # fmt: skip
    assert len(rows) == 200
    assert all(row.id == keyed_id(row.source, row.key) for row in rows)


@pytest.mark.parametrize("infinite", ["infinity", "-infinity"])
def test_an_infinite_deadline_can_be_read(engine: Engine, infinite: str) -> None:
    with engine.begin() as connection:
        job_id = submit(connection, "text", deadline=infinite)
    deadline = committed_job(engine, job_id).deadline
    assert (deadline is None) == (infinite == "infinity")


def test_a_job_past_its_deadline_expires_on_every_submission_path(
    engine: Engine, database_url: str, broker_url: str
) -> None:
    past = datetime(2020, 1, 1, tzinfo=UTC)
    with Client(database_url, broker_url) as client:
        ids = [client.submit("text", deadline=past).job_id]
    with engine.begin() as connection:
        ids.append(submit(connection, "text", deadline=past))
        bare = {"version": 1, "jobs": [{"text": "text", "deadline": past.isoformat()}]}
        arriving = arriving_jobs(
            Slice(0, ScoreMessage.parse(bare)), Delivery("message"), Settings()
        )
        ids.append(arriving[0].id)
        assert claim(connection, arriving, ids[:2], 60.0) == []
        assert sweep(connection, max_attempts=3, republish_after_s=60.0, limit=10) is not None
    for job_id in ids:
        job = committed_job(engine, job_id)
        assert (job.state, job.error) == (
            "expired", "its deadline passed before it was scored",
        )  # fmt: skip


def test_concurrent_submissions_of_one_key_on_all_paths_are_one_job(
    engine: Engine, database_url: str, broker_url: str
) -> None:
    pool = connect(database_url, pool_size=6)
    submitters = 9
    rounds = 20
    barrier = threading.Barrier(submitters, timeout=60)

    def submit_each_round(submitter: int) -> list[uuid.UUID]:
        with Client(database_url, broker_url, source="app") as client:
            ids = []
            for key in map(str, range(rounds)):
                barrier.wait()
                ids.append(submit_on_path(submitter % 3, client, key))
            return ids

    def submit_on_path(path: int, client: Client, key: str) -> uuid.UUID:
        if path == 0:
            return next(client.submit_many([Submission("text", key)])).job_id
        with pool.begin() as connection:
            if path == 1:
                return submit(connection, "text", key=key, source="app")
            bare = {"version": 1, "source": "app", "jobs": [{"text": "text", "key": key}]}
            arriving = arriving_jobs(
                Slice(0, ScoreMessage.parse(bare)), Delivery(uuid.uuid4().hex), Settings()
            )
            claim(connection, arriving, [], 60.0)
            return arriving[0].id

    with ThreadPoolExecutor(submitters) as threads:
        ids_of_submitters = list(threads.map(submit_each_round, range(submitters)))
    pool.dispose()
    assert len({tuple(ids) for ids in ids_of_submitters}) == 1
    assert count_jobs(engine) == rounds


@pytest.fixture
def producer(engine: Engine) -> Iterator[Engine]:
    yield from member_of(engine, "plumbline_producer")


@pytest.fixture
def reader(engine: Engine) -> Iterator[Engine]:
    yield from member_of(engine, "plumbline_reader")


def member_of(engine: Engine, role: str) -> Iterator[Engine]:
    """Yield an engine for a new login role that is a member of `role` only."""
    name = "member_" + uuid.uuid4().hex
    with engine.begin() as connection:
        connection.execute(text(f"CREATE ROLE {name} LOGIN PASSWORD 'secret' IN ROLE {role}"))
    url = engine.url.set(username=name, password="secret")
    member = connect(url.render_as_string(hide_password=False))
    yield member
    member.dispose()
    # The temporary objects of its session, which it owns, are dropped shortly after the session.
    eventually(lambda: drop_role(engine, name), 30)


def drop_role(engine: Engine, role: str) -> bool:
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


def test_a_producer_may_only_submit(engine: Engine, producer: Engine) -> None:
    with producer.begin() as connection:
        job_id = submit(connection, "text", key="k")
    assert committed_job(engine, job_id).state == "queued"
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


def test_a_producers_objects_cannot_replace_those_of_the_function(
    engine: Engine, producer: Engine
) -> None:
    """The function runs with its owner's rights, so its names must not resolve to the caller's."""
    with producer.begin() as connection:
        for statement in (
            "CREATE FUNCTION pg_temp.pg_notify(text, text) RETURNS void "
            "LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''mine''; END'",
            "CREATE FUNCTION pg_temp.char_length(text) RETURNS int LANGUAGE sql AS 'SELECT 0'",
            "SET search_path = pg_temp, pg_catalog",
            "SET standard_conforming_strings = off",
        ):
            connection.execute(text(statement))
        job_id = submit(connection, "x" * (MAX_TEXT_CHARS + 1))
        assert submit(connection, "text") != job_id
    assert committed_job(engine, job_id).state == "rejected"


def test_a_reader_may_only_read_results(engine: Engine, reader: Engine) -> None:
    with engine.begin() as connection:
        job_id = submit(connection, "text", key="k")
    with reader.connect() as connection:
        result = connection.execute(
            text("SELECT job_id, state FROM plumbline.results "
                 "WHERE job_id = plumbline.keyed_id_v1('default', 'k')")
        ).one()  # fmt: skip
        assert tuple(result) == (job_id, "queued")
        for table in ("predictions", "labels", "model_versions", "deployments", "drift_values"):
            connection.execute(text(f"SELECT * FROM plumbline.{table}")).all()
    for statement in (
        "SELECT plumbline.submit_v1('text')",
        "SELECT * FROM plumbline.jobs",
        "DELETE FROM plumbline.predictions",
        "UPDATE plumbline.predictions SET label = 'spam'",
    ):
        assert refused(reader, statement), statement


def test_another_role_may_not_submit(engine: Engine) -> None:
    for stranger in member_of(engine, "pg_monitor"):
        assert refused(stranger, "SELECT plumbline.submit_v1('text')")
