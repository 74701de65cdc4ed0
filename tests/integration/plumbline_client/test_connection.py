"""Limits of statements, in the session and in the wait for its answer."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import psycopg
import pytest
from sqlalchemy import text

from plumbline_client import liveness
from plumbline_client.connection import Connection, NoAnswer
from plumbline_client.database_url import DatabaseUrl
from plumbline_client.deadline import time_limit
from plumbline_client.limits import Limits
from plumbline_client.liveness import is_working
from plumbline_client.session import open_connection
from storage.database import SWEEPING, connect, statement_limit
from tests.proxy import proxy
from tests.waiting import eventually

OWN = Limits(statement_s=20.0, lock_s=3.0)
SHOW = "SHOW statement_timeout"


def shown(connection: Connection) -> str:
    row = connection.execute(SHOW).fetchone()
    assert row is not None
    return str(row[0])


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    with open_connection(DatabaseUrl.parse(database_url), limits=OWN) as connection:
        yield connection


def test_a_call_changes_the_limit_for_its_own_time(connection: Connection) -> None:
    assert shown(connection) == "20s"
    with time_limit(10.0):
        connection.limit_call()
        assert shown(connection).endswith("ms")
    connection.limit_call(300.0)
    assert shown(connection) == "5min"
    connection.limit_call()
    assert shown(connection) == "20s"


def test_a_limit_in_the_url_is_not_raised(database_url: str) -> None:
    separator = "&" if "?" in database_url else "?"
    url = f"{database_url}{separator}options=-c%20statement_timeout%3D7s"
    with open_connection(DatabaseUrl.parse(url), limits=OWN) as connection:
        assert shown(connection) == "7s"
        connection.limit_call(300.0)
        assert shown(connection) == "7s"


def test_the_server_ends_a_statement_before_the_time_is_over(connection: Connection) -> None:
    with time_limit(1.0), pytest.raises(psycopg.errors.QueryCanceled):
        connection.limit_call()
        connection.execute("SELECT pg_sleep(60)")
    assert not connection.closed
    connection.limit_call()
    assert shown(connection) == "20s"


def test_a_statement_without_an_answer_is_cancelled(
    database_url: str, connection: Connection
) -> None:
    """As behind a pooler, which keeps no limit of a session: only the client's own counts."""
    running = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s AND state = 'active'"
    unlimited = open_connection(DatabaseUrl.parse(database_url), limits=OWN)
    process_id = unlimited.info.backend_pid
    with time_limit(0.5), pytest.raises(NoAnswer, match="no answer within"):
        unlimited.execute("SELECT pg_sleep(19)")
    assert unlimited.closed

    def is_cancelled() -> bool:
        row = connection.execute(running, [process_id]).fetchone()
        return row is not None and row[0] == 0

    eventually(is_cancelled, 10.0, "the statement is still running")


def test_a_long_statement_ends_once_nobody_works_on_it(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(liveness, "ASK_AFTER_S", 0.2)
    monkeypatch.setattr(liveness, "ASK_AGAIN_S", 0.1)
    with proxy(database_url) as silent:
        connection = open_connection(DatabaseUrl.parse(silent.url), limits=OWN)
        connection.execute("SELECT pg_sleep(1)")
        silencing = threading.Timer(0.3, silent.silence)
        silencing.start()
        with pytest.raises(NoAnswer, match="the server does not work on one"):
            connection.execute("SELECT pg_sleep(1)")
        assert connection.closed
        silencing.join()


def test_an_idle_session_and_one_that_is_gone_work_on_nothing(connection: Connection) -> None:
    process_id = connection.info.backend_pid
    assert connection.conninfo is not None
    assert not is_working(connection.conninfo, process_id)
    with psycopg.connect(connection.conninfo) as other:
        gone = other.info.backend_pid
    assert not is_working(connection.conninfo, gone)


def test_the_statements_of_a_block_have_its_limit(database_url: str) -> None:
    engine = connect(database_url, pool_size=1, limits=OWN)
    show = text(SHOW)
    with engine.connect() as before:
        assert before.execute(show).scalar_one() == "20s"
        before.rollback()
    with statement_limit(SWEEPING):
        for _ in range(2):
            with engine.connect() as within:
                assert within.execute(show).scalar_one() == "1min"
                within.rollback()
    with engine.connect() as after:
        assert after.execute(show).scalar_one() == "20s"
    engine.dispose()
