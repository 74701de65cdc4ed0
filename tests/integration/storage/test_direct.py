"""Statements directly on psycopg: SQLAlchemy's errors, and plans that outlive a small table."""

from __future__ import annotations

import psycopg
import pytest
from sqlalchemy import Engine, TextClause, text
from sqlalchemy.exc import DataError, InterfaceError, OperationalError
from sqlalchemy.pool import QueuePool

from storage.database import connect, is_unreachable
from storage.direct import DirectConnection, PersistentConnection, connect_direct
from storage.jobs import leases
from storage.jobs.claim import CLAIM, CLAIM_KNOWN, claim
from storage.jobs.finish import FINISH, REJECT, finish
from tests.ledger import Ledger
from tests.predictions import new_prediction


def terminate_backends(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def backend_pid(connection: DirectConnection) -> int:
    (row,) = connection.execute(text("SELECT pg_backend_pid() AS pid"), {})
    return int(row.pid)


def test_each_statement_is_committed_on_its_own(
    persistent_connection: PersistentConnection, engine: Engine
) -> None:
    with persistent_connection.connection() as connection:
        connection.execute(text("CREATE TABLE public.numbers (n int)"), {})
        connection.execute(text("INSERT INTO public.numbers VALUES (:n)"), {"n": 7})
        with engine.connect() as other:
            assert other.execute(text("SELECT n FROM public.numbers")).scalar_one() == 7


def test_error_is_the_one_that_sqlalchemy_raises(
    persistent_connection: PersistentConnection,
) -> None:
    with persistent_connection.connection() as connection, pytest.raises(DataError) as raised:
        connection.execute(text("SELECT CAST(:value AS int)"), {"value": "x"})
    assert isinstance(raised.value.orig, psycopg.errors.InvalidTextRepresentation)
    with persistent_connection.connection() as connection:
        assert [row.one for row in connection.execute(text("SELECT 1 AS one"), {})] == [1]


def test_unavailable_server_raises_the_error_of_sqlalchemy() -> None:
    persistent = PersistentConnection(connect_direct("postgresql://nobody@127.0.0.1:1/none"))
    with pytest.raises(OperationalError) as raised, persistent.connection():
        pass
    assert is_unreachable(raised.value)


def test_connection_that_breaks_in_use_raises_and_is_replaced(
    persistent_connection: PersistentConnection, database_url: str
) -> None:
    with persistent_connection.connection() as connection:
        terminate_backends(database_url)
        with pytest.raises((OperationalError, InterfaceError)) as raised:
            connection.execute(text("SELECT 1"), {})
    assert is_unreachable(raised.value)
    with persistent_connection.connection() as connection:
        assert connection.execute(text("SELECT 1"), {}).rowcount == 1


def test_connection_that_breaks_while_idle_is_replaced_without_an_error(
    persistent_connection: PersistentConnection, database_url: str
) -> None:
    pooled = connect(database_url)
    with persistent_connection.connection(), pooled.connect():
        pass
    terminate_backends(database_url)
    with persistent_connection.connection() as direct:
        assert direct.execute(text("SELECT 1"), {}).rowcount == 1
    with pooled.connect() as connection:
        assert connection.execute(text("SELECT 1")).scalar_one() == 1
    pooled.dispose()


def test_connection_is_reused_even_after_an_error(
    persistent_connection: PersistentConnection,
) -> None:
    with persistent_connection.connection() as connection:
        first = backend_pid(connection)
    with pytest.raises(DataError), persistent_connection.connection() as connection:
        connection.execute(text("SELECT CAST(:value AS int)"), {"value": "x"})
    with persistent_connection.connection() as connection:
        assert backend_pid(connection) == first


def test_persistent_connection_does_not_occupy_the_pool(
    direct_engine: Engine, persistent_connection: PersistentConnection
) -> None:
    other_connection = PersistentConnection(direct_engine)
    with persistent_connection.connection() as one, other_connection.connection() as other:
        assert backend_pid(one) != backend_pid(other)
    other_connection.close()
    assert isinstance(direct_engine.pool, QueuePool)
    assert direct_engine.pool.checkedout() == 0


def test_statements_of_a_message_are_not_planned_again(
    engine: Engine, persistent_connection: PersistentConnection
) -> None:
    """PostgreSQL would plan a finish for its ids every time, which takes as long as running it."""
    ids = Ledger(engine).accept_texts(20)
    with persistent_connection.connection() as connection:
        for job_id in ids:
            [lease] = claim(connection, [], [job_id], lease_s=60.0)
            assert finish(connection, [new_prediction(lease)]) == {job_id}
        prepared = text("SELECT statement, custom_plans FROM pg_prepared_statements")
        rows = connection.execute(prepared, {})
        custom_plans = {row.statement: row.custom_plans for row in rows}
    assert sum("plumbline.predictions" in statement for statement in custom_plans) == 1
    assert set(custom_plans.values()) == {0}


@pytest.mark.parametrize("analyzed", [False, True])
@pytest.mark.parametrize(
    "statement",
    [CLAIM, CLAIM_KNOWN, FINISH, REJECT, leases.RELEASE, leases.RENEW, leases.RETURN_UNSTARTED],
)
def test_plan_made_while_the_table_is_small_finds_jobs_by_id(
    engine: Engine,
    persistent_connection: PersistentConnection,
    statement: TextClause,
    analyzed: bool,
) -> None:
    """A worker's connection keeps the plan while the table grows, until it is next analyzed."""
    names = list(statement.compile().params)
    numbered = str(statement)
    for place, name in enumerate(sorted(names, key=len, reverse=True), start=1):
        numbered = numbered.replace(f":{name}", f"${place}")
    if analyzed:
        Ledger(engine).accept_texts(1)
    with persistent_connection.connection() as connection:
        if analyzed:
            connection.execute(text("ANALYZE plumbline.jobs"), {})
        plan = "\n".join(
            row[0] for row in connection.execute(text(f"EXPLAIN (GENERIC_PLAN) {numbered}"), {})
        )
    assert "jobs_pkey" in plan
    assert "Seq Scan on jobs" not in plan and "Seq Scan on predictions" not in plan
    assert not [name for name in ("jobs_queued_idx", "jobs_leased_idx") if name in plan], plan
    searches = [line for line in plan.splitlines() if "using jobs_pkey" in line]
    assert plan.count("Index Cond") >= len(searches), plan
