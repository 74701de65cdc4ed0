from __future__ import annotations

import psycopg
import pytest
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from plumbline_client.database_url import DatabaseUrl
from plumbline_client.errors import DatabaseRefused, DatabaseUnavailable, DatabaseUrlInvalid
from storage.database import (
    connect,
    is_transient,
    is_unreachable,
    sqlalchemy_url,
    translate_errors,
)

LOST = OperationalError("SELECT", {}, psycopg.OperationalError("connection refused\n\tIs it up?"))


def with_state(state: str) -> DBAPIError:
    return DBAPIError("SELECT", {}, psycopg.errors.lookup(state)("permission denied"))


@pytest.mark.parametrize("state", ["08006", "53300", "57P01", "57P03", "40001", "40P01", "25006"])
def test_error_that_may_pass_is_worth_a_retry(state: str) -> None:
    assert is_transient(with_state(state))


@pytest.mark.parametrize("state", ["22001", "23505", "42501", "42P01"])
def test_refusal_is_not_worth_a_retry(state: str) -> None:
    assert not is_transient(with_state(state))


def test_server_that_is_away_is_unreachable_for_every_statement() -> None:
    assert is_unreachable(LOST) and is_transient(LOST)
    assert is_unreachable(with_state("57P01"))
    assert not is_unreachable(with_state("57014")), "only this statement took too long"


def test_invalidated_connection_was_lost() -> None:
    error = DBAPIError("SELECT", {}, psycopg.InterfaceError("closed"), connection_invalidated=True)
    assert is_unreachable(error) and is_transient(error)


def test_errors_name_the_server_without_its_password() -> None:
    engine = connect("postgresql://me:hunter2@db.example/texts")
    with pytest.raises(DatabaseUnavailable) as unavailable, translate_errors(engine):
        raise LOST
    assert str(unavailable.value) == (
        "PostgreSQL at postgresql://me:***@db.example/texts cannot be reached: connection refused."
    )
    with (
        pytest.raises(DatabaseRefused, match=r"/texts refuses: permission denied; grant "),
        translate_errors(engine),
    ):
        raise with_state("42501")


def test_exhausted_pool_is_reported_with_its_size_and_timeout() -> None:
    engine = connect("postgresql://me@db.example/texts", pool_size=3)
    with pytest.raises(DatabaseUnavailable) as busy, translate_errors(engine):
        raise PoolTimeout("QueuePool limit of size 3 overflow 0 reached")
    assert str(busy.value) == (
        "All 3 connections to PostgreSQL at postgresql://me@db.example/texts were in use for 30 s; "
        "use fewer threads at once."
    )


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgres://me:pw@host:5/name", "postgresql+psycopg://me:***@host:5/name"),
        ("postgresql:///name?host=/run/pg", "postgresql+psycopg:///name"),
        ("postgresql://me@a:1,b:2/name", "postgresql+psycopg://me@/name"),
        ("postgresql://me@host/name?sslmode=require", "postgresql+psycopg://me@host/name"),
    ],
)
def test_engine_shows_the_url(url: str, shown: str) -> None:
    assert str(sqlalchemy_url(DatabaseUrl.parse(url))) == shown == str(connect(url).url)


def test_invalid_url_is_refused_before_any_connection() -> None:
    with pytest.raises(DatabaseUrlInvalid, match="write it as postgresql://"):
        connect("postgresql://host:port/name")
