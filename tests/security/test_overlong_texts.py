"""A producer may send `submit_v1` what it likes; it may not make PostgreSQL copy it.

A text, key or source that is far too long is refused by its number of bytes alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.errors import InvalidParameterValue, ProgramLimitExceeded, UniqueViolation

from tests.roles import role
from tests.servers import database, execute

CHARS = 250_000_000
MEGABYTE = 1024 * 1024
Login = psycopg.Connection[Any]


@pytest.fixture(scope="module")
def owner_url(postgres_server_url: str, template: str) -> Iterator[str]:
    """A database with a table of mails, one of them very long."""
    with database(postgres_server_url, template) as url:
        execute(url, f"CREATE TABLE public.mails AS SELECT repeat('x', {CHARS}) AS body")
        yield url


@pytest.fixture
def login(owner_url: str) -> Iterator[Login]:
    """A producer that may read the mails."""
    with role(owner_url) as (name, url):
        execute(owner_url, f"GRANT plumbline_producer TO {name}")
        execute(owner_url, f"GRANT SELECT ON public.mails TO {name}")
        with psycopg.connect(url, autocommit=True) as connection:
            yield connection


def peak_mb(login: Login) -> float:
    """Return the largest memory that the server process of this login has had."""
    lines = Path(f"/proc/{login.info.backend_pid}/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmHWM"))) / 1024


def growth_mb(login: Login, statement: str) -> float:
    """Run a statement and return by how much the server process grew at most."""
    before = peak_mb(login)
    login.execute(statement)
    return peak_mb(login) - before


def test_a_text_of_250_million_characters_is_refused_without_a_copy(
    login: Login, owner_url: str
) -> None:
    """It took several seconds and copies of all its characters, per call."""
    assert growth_mb(login, "SELECT plumbline.submit_v1(body, key => 'k') FROM mails") < 50
    # The same one again is known, and another one is a conflict.
    login.execute("SELECT plumbline.submit_v1(body, key => 'k') FROM mails")
    with pytest.raises(UniqueViolation):
        login.execute("SELECT plumbline.submit_v1('short', key => 'k')")
    with psycopg.connect(owner_url) as owner:
        row = owner.execute(
            "SELECT state, error, text FROM plumbline.jobs WHERE key = 'k'"
        ).fetchall()
    assert row == [
        (
            "rejected",
            "the text has 250,000,000 bytes, and at most 200,000 characters are accepted",
            None,
        )
    ]


def test_a_name_of_250_million_characters_is_refused_without_a_copy(login: Login) -> None:
    # Such a key makes the text rejected; the others concern every text of the caller.
    assert growth_mb(login, "SELECT plumbline.submit_v1('x', key => body) FROM mails") < 50
    for call in (
        "SELECT plumbline.submit_v1('x', source => body) FROM mails",
        "SELECT plumbline.label_v1(key => 'k', label => '1', said_by => body) FROM mails",
        "SELECT plumbline.label_v1(key => body, label => '1') FROM mails",
        "SELECT plumbline.label_v1(key => 'k', source => body, label => '1') FROM mails",
    ):
        with pytest.raises(InvalidParameterValue, match="has 250,000,000 bytes, and at most"):
            growth_mb(login, call)
    assert peak_mb(login) < 150


def test_a_document_of_jobs_is_limited_too(login: Login) -> None:
    jobs = f"CAST('[' || repeat(' ', {256 * MEGABYTE}) || ']' AS json)"
    with pytest.raises(ProgramLimitExceeded, match=r"^The jobs have 268,435,4\d\d bytes, and"):
        login.execute(f"SELECT * FROM plumbline.submit_many_v1({jobs})")
