"""Keys and message ids: what a careless or hostile neighbour may and may not do with them.

It may use any message id and, in an open installation, any source. It may not make another's text
vanish: a text is scored, or a receipt, an error or a row reports that its key belongs to another.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis
from psycopg.errors import UniqueViolation
from psycopg.rows import dict_row

from plumbline.queues import KEY_PREFIX, SCORE_QUEUE
from plumbline_client import Client, Submission
from plumbline_client.identity import former_message_job_id, keyed_id, message_job_id
from plumbline_client.new_job import text_hash
from tests.celery_producer import envelope
from tests.command import Cli
from tests.servers import database
from tests.waiting import eventually
from tests.workers import environment, start_worker

ONE, TWO = "See you at six", "WINNER!! Claim your prize now"
CONFLICT = "the key belongs to another text"


@dataclass(frozen=True, slots=True)
class Installation:
    """A database and a Redis with one worker."""

    database_url: str
    broker_url: str
    folder: Path

    def rows(self, query: str, *values: Any) -> list[dict[str, Any]]:
        with psycopg.connect(self.database_url, autocommit=True, row_factory=dict_row) as session:
            done = session.execute(query, values)
            return list(done.fetchall()) if done.description else []

    def texts(self, source: str) -> dict[str | None, str | None]:
        """Return the text of each key of a source."""
        rows = self.rows("SELECT key, text FROM plumbline.jobs WHERE source = %s", source)
        return {row["key"]: row["text"] for row in rows}

    def send(self, message_id: str, source: str, *jobs: dict[str, Any]) -> None:
        """Push a bare message, as a Celery program does."""
        arguments = {"version": 1, "source": source, "jobs": list(jobs)}
        body = json.dumps([[], arguments, {}]).encode()
        with redis.Redis.from_url(self.broker_url) as connection:
            connection.lpush(KEY_PREFIX + SCORE_QUEUE, json.dumps(envelope(message_id, body)))

    def wait_for_scores(self, source: str, count: int) -> list[dict[str, Any]]:
        """Return the jobs of a source once so many are scored, oldest first."""
        query = "SELECT * FROM plumbline.jobs WHERE source = %s ORDER BY created_at, key"

        def all_scored() -> list[dict[str, Any]]:
            rows = self.rows(query, source)
            scored = [row for row in rows if row["state"] == "scored"]
            return rows if len(scored) >= count else []

        return eventually(all_scored, 60.0)

    def rejections(self, message_id: str) -> list[dict[str, Any]]:
        return self.rows(
            "SELECT * FROM plumbline.rejected_messages WHERE message_id = %s ORDER BY position",
            message_id,
        )


@pytest.fixture(scope="module")
def installation(
    postgres_server_url: str,
    template: str,
    redis_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("identity")
    with redis.Redis.from_url(redis_url) as connection:
        connection.flushall()
    with (
        database(postgres_server_url, template) as url,
        start_worker(url, redis_url, folder, concurrency=1),
    ):
        yield Installation(url, redis_url, folder)


@pytest.fixture
def client(installation: Installation) -> Iterator[Client]:
    with Client(installation.database_url, installation.broker_url, source="client") as client:
        yield client


def submit_v1(url: str, text: str | None, **arguments: Any) -> uuid.UUID:
    names = ", ".join(f"{name} => %({name})s" for name in arguments)
    with psycopg.connect(url, autocommit=True) as connection:
        call = f"SELECT plumbline.submit_v1(%(text)s, {names})"
        row = connection.execute(call, {"text": text, **arguments}).fetchone()
        assert row is not None
        return uuid.UUID(str(row[0]))


def test_two_services_with_the_same_message_id_both_have_their_text_scored(
    installation: Installation,
) -> None:
    """Celery ids belong to nobody: the second text used to vanish, since its id was taken."""
    installation.send("order-4711", "mail", {"text": ONE})
    installation.send("order-4711", "shop", {"text": ONE})
    installation.send("order-4711", "mail", {"text": TWO}, {"text": TWO})
    (shop,) = installation.wait_for_scores("shop", 1)
    mail = installation.wait_for_scores("mail", 3)
    assert sorted(row["text"] for row in mail) == sorted([ONE, TWO, TWO])
    assert shop["id"] == message_job_id("order-4711", "shop", text_hash(ONE), 0)
    assert {row["id"] for row in mail} == {
        message_job_id("order-4711", "mail", text_hash(ONE), 0),
        message_job_id("order-4711", "mail", text_hash(TWO), 0),
        message_job_id("order-4711", "mail", text_hash(TWO), 1),
    }


def test_a_message_delivered_again_is_the_same_jobs(installation: Installation) -> None:
    for _ in range(3):
        installation.send("again", "again", {"text": ONE}, {"text": "a\0b"}, {"text": ""})
    installation.send("after", "again", {"text": TWO})
    rows = installation.wait_for_scores("again", 3)
    assert sorted(row["text"] or "" for row in rows) == sorted([ONE, "a\ufffdb", "", TWO])
    assert installation.rejections("again") == []


@pytest.mark.parametrize("state", ["scored", "queued", "cancelled"])
def test_a_message_that_an_earlier_release_received_is_not_scored_twice(
    installation: Installation, state: str
) -> None:
    """Its row has the old id, and a plain hash until `plumbline db upgrade` has keyed it."""
    source, message_id = f"upgrade-{state}", f"delivered-before-{state}"
    known, other = (former_message_job_id(message_id, position) for position in (0, 1))
    installation.rows("ALTER TABLE plumbline.jobs DISABLE TRIGGER jobs_key_text_hash")
    for job, text in ((known, ONE), (other, "another service's text")):
        installation.rows(
            "INSERT INTO plumbline.jobs (id, source, text, text_sha256, state) "
            "VALUES (%s, %s, %s, %s, %s)",
            job, source, text, text_hash(text), state if job == known else "cancelled",
        )  # fmt: skip
    installation.rows("ALTER TABLE plumbline.jobs ENABLE TRIGGER jobs_key_text_hash")
    installation.send(message_id, source, {"text": ONE}, {"text": TWO})
    expected = {"scored": 2, "queued": 2, "cancelled": 1}[state]
    rows = installation.wait_for_scores(source, expected)
    states = {row["id"]: row["state"] for row in rows}
    new = message_job_id(message_id, source, text_hash(TWO), 1)
    ended = "scored" if state == "queued" else state
    assert states == {known: ended, other: "cancelled", new: "scored"}
    predictions = installation.rows(
        "SELECT count(*) AS n FROM plumbline.predictions WHERE job_id = ANY (%s)", [known, new]
    )
    assert predictions[0]["n"] == {"scored": 1, "queued": 2, "cancelled": 1}[state]


def test_a_key_with_another_text_is_a_conflict_in_every_message(
    installation: Installation,
) -> None:
    """A row per text states why it is not scored, and never what it was."""
    source = "messages"
    installation.send(
        "first", source, {"text": ONE, "key": "k"}, {"text": "", "key": "empty"},
        {"text": TWO, "key": "k"}, {"text": ONE, "key": "k"},
    )  # fmt: skip
    installation.wait_for_scores(source, 1)
    # A message of conflicts only, twice; then one whose other texts are scored.
    for _ in range(2):
        installation.send("whole", source, {"text": TWO, "key": "k"}, {"text": ONE, "key": "empty"})
    installation.send(
        "partly", source, {"text": ONE, "key": "k"}, {"text": TWO}, {"text": "x", "key": "k"},
        {"text": ONE, "key": "new"},
    )  # fmt: skip
    installation.wait_for_scores(source, 3)
    texts = installation.texts(source)
    assert (texts["k"], texts["empty"], texts["new"], texts[None]) == (ONE, None, ONE, TWO)
    job, empty = keyed_id(source, "k"), keyed_id(source, "empty")
    expected = {
        "first": [(2, job, "k")], "whole": [(0, job, "k"), (1, empty, "empty")],
        "partly": [(2, job, "k")],
    }  # fmt: skip
    for message_id, rows in expected.items():
        rejected = installation.rejections(message_id)
        assert [(row["position"], row["job_id"], row["key"]) for row in rejected] == rows
        assert {(row["source"], row["queue"]) for row in rejected} == {(source, SCORE_QUEUE)}
        assert all(CONFLICT in row["reason"] and TWO not in str(row) for row in rejected)


def test_a_key_with_another_text_is_a_conflict_in_the_client(
    installation: Installation, client: Client
) -> None:
    first = client.submit(ONE, key="k")
    assert (first.new, first.conflict, first.error) == (True, False, None)
    again, other = client.submit(ONE, key="k"), client.submit(TWO, key="k")
    assert (again.new, again.conflict, again.job_id) == (False, False, first.job_id)
    assert (other.new, other.conflict, other.error) == (False, True, CONFLICT)
    assert (other.job_id, other.published) == (first.job_id, True)
    batch = list(client.submit_many([
        Submission(ONE, "b"), Submission(TWO, "b"), Submission("a\0b", "nul"),
        Submission("a\ufffdb", "nul"), Submission("a\0b", "nul"), Submission(ONE, "b"),
        Submission(" ", "space"), Submission("", "space"), Submission(" ", "space"),
    ]))  # fmt: skip
    assert [(receipt.new, receipt.conflict) for receipt in batch] == [
        (True, False), (False, True), (True, False),
        (False, True), (False, False), (False, False),
        (True, False), (False, True), (False, False),
    ]  # fmt: skip
    assert installation.texts("client")["b"] == ONE
    client.wait([receipt.job_id for receipt in batch])


ENDS = {
    "rejected": ("", "state = 'rejected', text = NULL, error = 'the text is empty'"),
    "cancelled": (ONE, "state = 'cancelled', error = 'cancelled'"),
    "expired": (ONE, "state = 'expired', error = 'expired'"),
    "purged": (ONE, "state = 'scored', text = NULL"),
    "quarantined": (ONE, "state = 'quarantined', text = NULL, error = 'discarded'"),
}


@pytest.mark.parametrize("end", ENDS)
def test_a_key_stays_taken_after_its_end(
    installation: Installation, client: Client, end: str
) -> None:
    """The hash stays, so every path distinguishes the same text from another one."""
    text, change = ENDS[end]
    source = f"ended-{end}"
    first = client.submit(text, key="k", source=source)
    client.wait([first.job_id])
    installation.rows(f"UPDATE plumbline.jobs SET {change} WHERE id = %s", first.job_id)
    assert not client.submit(text, key="k", source=source).conflict
    assert client.submit(TWO, key="k", source=source).conflict
    url = installation.database_url
    assert submit_v1(url, text, key="k", source=source) == first.job_id
    with pytest.raises(UniqueViolation):
        submit_v1(url, TWO, key="k", source=source)
    installation.send(f"same-{end}", source, {"text": text, "key": "k"})
    installation.send(f"other-{end}", source, {"text": TWO, "key": "k"})
    (row,) = eventually(lambda: installation.rejections(f"other-{end}"), 30.0)
    assert (row["job_id"], row["key"]) == (first.job_id, "k")
    assert installation.rejections(f"same-{end}") == []
    assert len(installation.texts(source)) == 1


def test_a_key_with_another_text_is_an_error_in_sql(installation: Installation) -> None:
    """One sentence, and the caller decides in its own transaction."""
    url = installation.database_url
    job = submit_v1(url, ONE, key="k", source="sql")
    assert submit_v1(url, ONE, key="k", source="sql") == job
    with pytest.raises(UniqueViolation) as refused:
        submit_v1(url, TWO, key="k", source="sql")
    assert refused.value.diag.message_primary == (
        f"The key belongs to another text, job {job}; submit this text with a key of its own."
    )
    table = "SELECT plumbline.submit_v1(body, key => 'm', source => 'sql') FROM mails"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "CREATE TEMP TABLE mails AS SELECT * FROM (VALUES ('one'), ('two')) AS mail (body)"
        )
        with pytest.raises(UniqueViolation):
            connection.execute(table)
        connection.execute("UPDATE mails SET body = 'one'")
        assert len(set(connection.execute(table).fetchall())) == 1


@pytest.mark.parametrize(
    "text", [ONE, "", " \u2003", "é🎉\u202e", "x" * 200_000, "é" * 200_001, "x" * 1_600_001]
)
def test_every_path_has_the_same_hash_of_a_text(
    installation: Installation, client: Client, text: str
) -> None:
    """A text that is too long included: it is the same one whoever refuses it."""
    source = "hash-" + hashlib.sha256(text.encode()).hexdigest()[:8]
    first = client.submit(text, key="k", source=source)
    job = submit_v1(installation.database_url, text, key="k", source=source)
    assert job == first.job_id
    assert not client.submit(text, key="k", source=source).conflict
    assert client.submit(text + "x", key="k", source=source).conflict
    with pytest.raises(UniqueViolation):
        submit_v1(installation.database_url, text + "x", key="k", source=source)


@pytest.fixture
def cli(installation: Installation, tmp_path: Path) -> Cli:
    servers = environment(installation.database_url, installation.broker_url, tmp_path)
    return Cli(tmp_path, servers | {"COLUMNS": "120"})


@pytest.mark.parametrize("format", ["csv", "jsonl", "stdin"])
def test_plumbline_submit_prints_and_counts_conflicts(
    installation: Installation, cli: Cli, format: str
) -> None:
    rows = [("a", ONE), ("b", ONE), ("a", TWO), ("a", ONE)]
    jsonl = "".join(json.dumps({"id": key, "text": text}) + "\n" for key, text in rows)
    csv = "id,text\n" + "".join(f'{key},"{text}"\n' for key, text in rows)
    cli.write("in.csv", csv)
    cli.write("in.jsonl", jsonl)
    name, stdin = {
        "csv": ("in.csv", b""), "jsonl": ("in.jsonl", b""), "stdin": ("-", jsonl.encode()),
    }[format]  # fmt: skip
    submit = ["submit", name, "--key-column", "id", "--source", f"file-{format}"]
    if format == "stdin":
        submit += ["--format", "jsonl"]
    first_line = 2 if format == "csv" else 1
    *lines, summary = cli.json_lines(*submit, stdin=stdin)
    assert [line["conflict"] for line in lines] == [False, False, True, False]
    assert (lines[2]["line"], lines[2]["error"]) == (first_line + 2, CONFLICT)
    counts = {name: summary[name] for name in ("accepted", "known", "conflicts", "rejected")}
    assert counts == {"accepted": 2, "known": 1, "conflicts": 1, "rejected": 0}
    assert summary["skipped"]["conflict"] == {"count": 1, "lines": [first_line + 2]}
    assert installation.texts(f"file-{format}") == {"a": ONE, "b": ONE}
    if format == "csv":
        printed = cli.run(*submit, "--wait")
        assert f"line {first_line + 2}: {CONFLICT}" in printed and "conflicts" in printed
