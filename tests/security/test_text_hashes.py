"""What the ledger keeps of a text that was deleted: a keyed hash, which cannot be guessed.

A neighbour that reads the table of jobs, or a dump without the table `installation`, may see which
texts are equal. It may not find out what a short text was, and it may not have one hashed.
"""

from __future__ import annotations

import hashlib
import hmac
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege
from sqlalchemy import Engine, text

from plumbline_client import Client
from plumbline_client.new_job import text_hash
from storage.jobs.text_hashes import key_plain_hashes
from tests.command import Cli
from tests.database import alembic
from tests.ledger import Ledger, job, keyed
from tests.roles import role
from tests.servers import execute
from tests.workers import environment

SECRET_BYTES = 32
CODE = "482913"


@pytest.fixture
def ledger(engine: Engine) -> Ledger:
    return Ledger(engine)


def secret(engine: Engine) -> bytes:
    with engine.connect() as connection:
        row = connection.execute(text("SELECT * FROM plumbline.installation")).one()
    assert len(row.inner_key) == len(row.outer_key) == 64
    return bytes(byte ^ 0x36 for byte in row.inner_key)[:SECRET_BYTES]


def test_a_stored_hash_is_an_hmac_with_the_secret_of_the_installation(
    engine: Engine, ledger: Ledger, database_url: str
) -> None:
    """The plain hash of a code of six digits was found in a second."""
    arriving = job(CODE)
    ledger.claim(arriving=[arriving])
    with Client(database_url, "redis://127.0.0.1:1", source="test") as client:
        ids = [arriving.id, client.submit(CODE).job_id]
    with engine.begin() as connection:
        row = connection.execute(text(f"SELECT plumbline.submit_v1('{CODE}')"))
        ids.append(row.scalar_one())
    expected = hmac.new(secret(engine), text_hash(CODE), "sha256").digest()
    assert keyed(engine, text_hash(CODE)) == expected
    for job_id in ids:
        row = ledger.row(job_id)
        assert (bytes(row.text_hash), row.text_sha256) == (expected, None)
    guesses = {hashlib.sha256(f"{code:06}".encode()).digest() for code in range(480_000, 485_000)}
    with engine.connect() as connection:
        dump = connection.execute(text("SELECT CAST(jobs.* AS text) FROM plumbline.jobs")).scalars()
        assert not any(guess.hex() in line for line in dump for guess in guesses)


def test_two_installations_have_different_secrets(engine: Engine, empty: Engine) -> None:
    with empty.begin() as connection:
        connection.execute(text("CREATE SCHEMA plumbline"))
    alembic(empty, "upgrade", "head")
    assert secret(engine) != secret(empty)


@pytest.mark.parametrize("group", ["plumbline_producer", "plumbline_reader", None])
def test_no_login_may_read_the_secret_or_have_a_text_hashed(
    database_url: str, group: str | None
) -> None:
    with role(database_url) as (name, url):
        if group is not None:
            execute(database_url, f"GRANT {group} TO {name}")
        with psycopg.connect(url, autocommit=True) as login:
            for statement in (
                "SELECT * FROM plumbline.installation",
                "SELECT plumbline.keyed_hash('\\x00')",
                "SELECT text_hash FROM plumbline.jobs",
                "SELECT plumbline.text_digest('x')",
            ):
                with pytest.raises(InsufficientPrivilege):
                    login.execute(statement)


@pytest.fixture
def plain(ledger: Ledger) -> Iterator[list[uuid.UUID]]:
    """Jobs of an earlier release, with plain hashes."""
    jobs = [job(f"text {number}", key=str(number)) for number in range(25)]
    with ledger.engine.begin() as connection:
        connection.execute(text("ALTER TABLE plumbline.jobs DISABLE TRIGGER jobs_key_text_hash"))
    ledger.accept(*jobs)
    with ledger.engine.begin() as connection:
        connection.execute(text("ALTER TABLE plumbline.jobs ENABLE TRIGGER jobs_key_text_hash"))
        connection.execute(text("UPDATE plumbline.installation SET hashes_keyed_at = NULL"))
    assert bytes(ledger.row(jobs[0].id).text_sha256) == text_hash("text 0")
    yield [new.id for new in jobs]


def test_plain_hashes_of_an_earlier_release_are_keyed_in_batches(
    ledger: Ledger, plain: list[uuid.UUID]
) -> None:
    """An interrupted run keeps what it committed, and the next one does the rest."""
    batches = key_plain_hashes(ledger.engine, batch=10)
    assert next(batches) == 10
    batches.close()
    states = [ledger.row(job_id).text_sha256 is None for job_id in plain]
    assert sum(states) == 10
    assert list(key_plain_hashes(ledger.engine, batch=10)) == [10, 5]
    for number, job_id in enumerate(plain):
        row = ledger.row(job_id)
        assert row.text_sha256 is None
        assert bytes(row.text_hash) == keyed(ledger.engine, text_hash(f"text {number}"))
    assert list(key_plain_hashes(ledger.engine)) == []


def test_a_locked_row_is_left_to_the_next_run(ledger: Ledger, plain: list[uuid.UUID]) -> None:
    with ledger.engine.begin() as worker:
        worker.execute(text("SELECT FROM plumbline.jobs WHERE key = '3' FOR UPDATE"))
        assert sum(key_plain_hashes(ledger.engine, batch=10)) == 24
    assert ledger.row(plain[3]).text_hash is None
    assert list(key_plain_hashes(ledger.engine)) == [1]


def test_a_key_is_known_before_and_after_its_hash_is_keyed(
    ledger: Ledger, plain: list[uuid.UUID], database_url: str
) -> None:
    with Client(database_url, "redis://127.0.0.1:1", source="test") as client:
        for _ in range(2):
            same, other = client.submit("text 7", key="7"), client.submit("text 8", key="7")
            assert (same.job_id, same.new, same.conflict) == (plain[7], False, False)
            assert (other.job_id, other.new, other.conflict) == (plain[7], False, True)
            list(key_plain_hashes(ledger.engine))


def test_plumbline_db_upgrade_keys_plain_hashes_and_show_prints_the_keyed_one(
    ledger: Ledger, plain: list[uuid.UUID], database_url: str, broker_url: str, tmp_path: Path
) -> None:
    servers = environment(database_url, broker_url, tmp_path)
    cli = Cli(tmp_path, servers | {"COLUMNS": "160"})
    upgraded = cli.complete("db", "upgrade")
    assert upgraded.returncode == 0
    assert "The hashes of 25 texts are keyed now." in upgraded.stderr.decode()
    assert b"keyed" not in cli.complete("db", "upgrade").stderr
    expected = keyed(ledger.engine, text_hash("text 3")).hex()
    shown = cli.json("show", str(plain[3]))
    assert (shown["text_hash"], shown["text_sha256"]) == (expected, None)
    printed = cli.run("show", str(plain[3]))
    assert "keyed hash" in printed and expected in printed and "sha256" not in printed


def test_the_hash_of_an_earlier_releases_insert_is_keyed_at_once(ledger: Ledger) -> None:
    """Its workers continue to run while a new release migrates."""
    new = job(CODE)
    ledger.accept(new)
    row = ledger.row(new.id)
    assert row.text_sha256 is None
    assert bytes(row.text_hash) == keyed(ledger.engine, text_hash(CODE))
