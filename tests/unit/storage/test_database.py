import psycopg
import pytest
from sqlalchemy.exc import DataError, DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from plumbline_client.errors import DatabaseRefused, DatabaseUnavailable, DatabaseUrlInvalid
from storage.database import connect, database_url, is_transient, is_unavailable, translate_errors

LOST = OperationalError("SELECT", {}, psycopg.OperationalError("connection refused\n\tIs it up?"))


def with_state(state: str) -> DBAPIError:
    return DBAPIError("SELECT", {}, psycopg.errors.lookup(state)("as told"))


@pytest.mark.parametrize("state", ["08006", "53300", "57P01", "57P03"])
def test_a_server_that_is_away_is_worth_another_try(state: str) -> None:
    assert is_unavailable(with_state(state)) and is_transient(with_state(state))


def test_a_connection_that_cannot_be_made_has_no_state() -> None:
    assert is_unavailable(LOST) and is_transient(LOST)


@pytest.mark.parametrize("state", ["40001", "40P01"])
def test_a_lost_race_is_worth_another_try_but_the_server_is_there(state: str) -> None:
    assert is_transient(with_state(state)) and not is_unavailable(with_state(state))


@pytest.mark.parametrize("state", ["22001", "23505", "42501", "42P01"])
def test_a_refusal_stays_one(state: str) -> None:
    assert not is_transient(with_state(state))


def test_a_value_psycopg_refuses_has_no_state_either_and_stays_refused() -> None:
    error = DataError("SELECT", {}, psycopg.DataError("text fields cannot contain NUL"))
    assert not is_transient(error)


def test_errors_name_the_server_without_its_password() -> None:
    engine = connect("postgresql://me:hunter2@db.example/texts")
    with pytest.raises(DatabaseUnavailable) as unavailable, translate_errors(engine):
        raise LOST
    assert str(unavailable.value) == (
        "PostgreSQL at postgresql://me:***@db.example/texts cannot be reached: connection refused."
    )
    with pytest.raises(DatabaseRefused, match=r"/texts refuses: as told\.$"), translate_errors(engine):
        raise with_state("42501")


def test_threads_that_wait_too_long_for_a_connection_are_told_so() -> None:
    engine = connect("postgresql://me@db.example/texts", pool_size=3)
    with pytest.raises(DatabaseUnavailable) as busy, translate_errors(engine):
        raise PoolTimeout("QueuePool limit of size 3 overflow 0 reached")
    assert str(busy.value) == (
        "PostgreSQL at postgresql://me@db.example/texts was not asked: all 3 connections were in "
        "use for 30 s; have fewer threads at work at once."
    )


@pytest.mark.parametrize("url", ["nonsense", "", "postgresql://host:port/name"])
def test_an_unreadable_url_says_how_to_write_one(url: str) -> None:
    with pytest.raises(DatabaseUrlInvalid, match="write it as postgresql://"):
        database_url(url)


def test_another_kind_of_database_is_refused() -> None:
    with pytest.raises(DatabaseUrlInvalid, match=r"starts with mysql://, and Plumbline needs"):
        database_url("mysql://host/name")


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg2"])
def test_every_way_to_write_postgresql_is_understood(scheme: str) -> None:
    assert database_url(f"{scheme}://host/name").drivername == "postgresql+psycopg"
