"""Sessions of PostgreSQL have the settings that Plumbline relies on, whoever set others."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import patch

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg.rows import namedtuple_row
from sqlalchemy import text

from plumbline_client import Client
from plumbline_client.database_url import DatabaseUrl
from plumbline_client.errors import DatabaseRefused
from plumbline_client.limits import DEFAULT
from plumbline_client.session import WANTED, open_connection
from plumbline_client.states import JobState
from storage.database import connect
from storage.direct import PersistentConnection, connect_direct
from tests.foreign_environment import FOREIGN_POSTGRESQL
from tests.pooler import find_pgbouncer, pgbouncer, transaction_pooler
from tests.roles import HOSTILE_SETTINGS, grant_use, role
from tests.servers import execute

THREADS = 6
TURNS = 40
SHOWN = ("search_path", "enable_seqscan", "statement_timeout", "IntervalStyle")


@pytest.fixture
def hostile_url(database_url: str) -> Iterator[str]:
    """Return the URL of a role for which everything is set otherwise."""
    execute(database_url, "CREATE SCHEMA shadow")
    execute(
        database_url,
        "CREATE FUNCTION shadow.now() RETURNS timestamptz LANGUAGE sql "
        "RETURN CAST('1999-01-01' AS timestamptz)",
    )
    with role(database_url, HOSTILE_SETTINGS) as (name, url):
        grant_use(database_url, name)
        execute(database_url, f"GRANT USAGE ON SCHEMA shadow TO {name}")
        yield url


def test_session_has_the_settings_it_relies_on(hostile_url: str) -> None:
    names = [*HOSTILE_SETTINGS, "lock_timeout"]
    query = "SELECT name, current_setting(name) FROM unnest(%s::text[]) AS setting (name)"
    with open_connection(DatabaseUrl.parse(hostile_url)) as connection:
        values = {row.name: row.current_setting for row in connection.execute(query, [names])}
    assert values.pop("DateStyle").startswith("ISO")
    assert values == {
        **{name: value for name, value in WANTED.items() if name in values},
        "client_encoding": "UTF8",
        "synchronous_commit": "on",
        **{name: "0" for name in HOSTILE_SETTINGS if name.endswith("_timeout")},
        **DEFAULT.settings(),
    }


def test_every_path_to_the_server_works_with_hostile_settings(
    hostile_url: str, broker_url: str
) -> None:
    engine, direct = connect(hostile_url), connect_direct(hostile_url)
    with Client(hostile_url, broker_url, source="test") as client:
        receipt = client.submit("päper €", key="1")
        result = client.result(receipt.job_id)
    assert result is not None and result.text == "päper €"
    assert abs(result.created_at - datetime.now(UTC)) < timedelta(hours=1)
    assert result.created_at.utcoffset() == timedelta(0)
    slow = text("SELECT pg_sleep(0.3), now() AS now, CAST(0.1 AS float8) AS tenth")
    with engine.begin() as connection:
        row = connection.execute(slow).one()
        assert row.now.year > 1999 and row.tenth == 0.1
        isolation = connection.execute(text("SHOW transaction_isolation")).scalar_one()
        assert isolation == "read committed"
    persistent = PersistentConnection(direct)
    with persistent.connection() as connection:
        (row,) = connection.execute(slow, {})
        assert row.now.year > 1999 and row.tenth == 0.1
    persistent.close()
    engine.dispose()
    direct.dispose()


def test_limit_in_the_options_of_the_url_is_a_users_choice(database_url: str) -> None:
    separator = "&" if "?" in database_url else "?"
    url = DatabaseUrl.parse(f"{database_url}{separator}options=-c%20statement_timeout%3D7000")
    with open_connection(url) as connection:
        assert connection.execute("SHOW statement_timeout").fetchone() == ("7s",)


@given(
    environment=st.dictionaries(
        st.sampled_from(sorted(FOREIGN_POSTGRESQL)),
        st.one_of(
            st.sampled_from(
                ["", "on", "require", "UTC", "127.0.0.2", *FOREIGN_POSTGRESQL.values()]
            ),
            st.text(st.characters(codec="ascii", exclude_characters="\0"), max_size=20),
        ),
        max_size=6,
    )
)
@settings(max_examples=30, deadline=None)
def test_no_environment_changes_where_and_as_whom_to_connect(
    postgres_server_url: str, environment: dict[str, str]
) -> None:
    url = DatabaseUrl.parse(postgres_server_url)
    with patch.dict(os.environ, environment), open_connection(url) as connection:
        info = connection.info
        assert (info.host, info.hostaddr) == ("127.0.0.1", "127.0.0.1")
        assert (str(info.port), info.user, info.dbname) == (
            url.parameters["port"], url.parameters["user"], url.parameters["dbname"],
        )  # fmt: skip
        assert not connection.pgconn.ssl_in_use
        names = ["TimeZone", "client_encoding", "search_path", "application_name"]
        query = "SELECT current_setting(name) FROM unnest(%s::text[]) AS setting (name)"
        shown = [value for (value,) in connection.execute(query, [names])]
        assert shown == ["UTC", "UTF8", "pg_catalog, pg_temp", "plumbline"]


@pytest.fixture(params=["imitation", "pgbouncer"])
def pooled_url(request: pytest.FixtureRequest, database_url: str, tmp_path: Path) -> Iterator[str]:
    if request.param == "imitation":
        with transaction_pooler(database_url) as url:
            yield url
    elif find_pgbouncer() is None:
        pytest.skip("PgBouncer is not installed; the imitation runs in any case")
    else:
        with pgbouncer(database_url, tmp_path) as url:
            yield url


def test_threads_share_a_client_through_a_transaction_pooler(
    pooled_url: str, broker_url: str
) -> None:
    started = threading.Barrier(THREADS)

    def take_turns(client: Client, thread: int) -> None:
        started.wait()
        for turn in range(TURNS):
            receipt = client.submit(f"text {thread} {turn}", key=f"{thread} {turn}")
            assert receipt.new
            result = client.result(receipt.job_id)
            assert result is not None and result.state is JobState.QUEUED
            if turn % 4 == 0:
                assert client.cancel(receipt.job_id).cancelled

    with (
        Client(pooled_url, broker_url, source="pool", max_backlog=10_000) as client,
        ThreadPoolExecutor(THREADS) as threads,
    ):
        for finished in [threads.submit(take_turns, client, n) for n in range(THREADS)]:
            finished.result()
        results = client.results(source="pool", limit=None)
    assert len(results) == THREADS * TURNS
    assert results[0].created_at.utcoffset() == timedelta(0)


def test_nothing_is_left_in_the_sessions_that_a_pooler_gives_to_others(
    pooled_url: str, broker_url: str, database_url: str
) -> None:
    query = "SELECT " + ", ".join(f"current_setting('{name}') AS {name}" for name in SHOWN)
    with psycopg.connect(database_url, row_factory=namedtuple_row) as connection:
        untouched = connection.execute(query).fetchone()
    engine, direct = connect(pooled_url), connect_direct(pooled_url)
    persistent = PersistentConnection(direct)
    for _ in range(4):
        with engine.begin() as connection, persistent.connection() as other:
            connection.execute(text("SELECT 1"))
            list(other.execute(text("SELECT 1"), {}))
    for _ in range(4):
        with psycopg.connect(pooled_url, row_factory=namedtuple_row) as other_program:
            assert other_program.execute(query).fetchone() == untouched
    persistent.close()
    engine.dispose()
    direct.dispose()


@pytest.mark.parametrize(
    ("setting", "cure"),
    [
        ("default_transaction_isolation = 'serializable'", "= 'read committed'"),
        ("default_transaction_read_only = on", "= 'off'"),
        ("synchronous_commit = off", "= 'on'"),
        ("search_path = public, pg_catalog", "search_path = public"),
    ],
)
def test_setting_that_a_pooler_prevents_is_named_with_its_cure(
    database_url: str, setting: str, cure: str
) -> None:
    name = DatabaseUrl.parse(database_url).parameters["dbname"]
    execute(database_url, f'ALTER DATABASE "{name}" SET {setting}')
    with (
        transaction_pooler(database_url, sessions=1) as url,
        pytest.raises(DatabaseRefused, match="is behind a connection pooler") as refused,
    ):
        open_connection(DatabaseUrl.parse(url))
    assert cure in str(refused.value) and "ALTER ROLE" in str(refused.value)


def test_database_that_is_set_in_another_time_zone_is_read_in_utc_through_a_pooler(
    database_url: str,
) -> None:
    name = DatabaseUrl.parse(database_url).parameters["dbname"]
    execute(database_url, f"ALTER DATABASE \"{name}\" SET TimeZone = 'Asia/Kolkata'")
    execute(database_url, f"ALTER DATABASE \"{name}\" SET DateStyle = 'German'")
    with transaction_pooler(database_url) as url:
        connection = open_connection(DatabaseUrl.parse(url))
        for _ in range(4):
            (now,) = connection.execute("SELECT now()").fetchone() or (None,)
            assert now is not None and now.utcoffset() == timedelta(0)
        connection.close()
