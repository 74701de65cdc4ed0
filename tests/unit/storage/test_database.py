from __future__ import annotations

import psycopg
import pytest
from sqlalchemy.exc import DataError, DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from plumbline_client.errors import DatabaseRefused, DatabaseUnavailable, DatabaseUrlInvalid
from storage.database import connect, database_url, is_transient, is_unavailable, translate_errors

LOST = OperationalError("SELECT", {}, psycopg.OperationalError("connection refused\n\tIs it up?"))


def with_state(state: str) -> DBAPIError:
    return DBAPIError("SELECT", {}, psycopg.errors.lookup(state)("permission denied"))


@pytest.mark.parametrize("state", ["08006", "53300", "57P01", "57P03"])
def test_unavailable_server_is_worth_a_retry(state: str) -> None:
    assert is_unavailable(with_state(state)) and is_transient(with_state(state))


def test_failed_connection_attempt_has_no_sqlstate_and_is_worth_a_retry() -> None:
    assert is_unavailable(LOST) and is_transient(LOST)


@pytest.mark.parametrize("state", ["40001", "40P01"])
def test_lost_race_is_worth_a_retry_but_the_server_is_available(state: str) -> None:
    assert is_transient(with_state(state)) and not is_unavailable(with_state(state))


@pytest.mark.parametrize("state", ["22001", "23505", "42501", "42P01"])
def test_refusal_is_not_worth_a_retry(state: str) -> None:
    assert not is_transient(with_state(state))


def test_value_that_psycopg_refuses_has_no_sqlstate_and_is_not_worth_a_retry() -> None:
    error = DataError("SELECT", {}, psycopg.DataError("text fields cannot contain NUL"))
    assert not is_transient(error)


def test_errors_name_the_server_without_its_password() -> None:
    engine = connect("postgresql://me:hunter2@db.example/texts")
    with pytest.raises(DatabaseUnavailable) as unavailable, translate_errors(engine):
        raise LOST
    assert str(unavailable.value) == (
        "PostgreSQL at postgresql://me:***@db.example/texts cannot be reached: connection refused."
    )
    with (
        pytest.raises(DatabaseRefused, match=r"/texts refuses: permission denied\.$"),
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


@pytest.mark.parametrize("url", ["nonsense", "", "postgresql://host:port/name"])
def test_error_for_an_unparsable_url_shows_the_right_form(url: str) -> None:
    with pytest.raises(DatabaseUrlInvalid, match="write it as postgresql://"):
        database_url(url)


def test_url_of_another_database_system_is_refused() -> None:
    with pytest.raises(DatabaseUrlInvalid, match=r"starts with mysql://, but Plumbline needs"):
        database_url("mysql://host/name")


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg2"])
def test_every_spelling_of_the_postgresql_scheme_is_accepted(scheme: str) -> None:
    assert database_url(f"{scheme}://host/name").drivername == "postgresql+psycopg"
