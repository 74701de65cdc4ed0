"""Statements straight on psycopg: SQLAlchemy's errors, and plans that outlive a small table."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import cast

import psycopg
import pytest
from sqlalchemy import Engine, TextClause, text
from sqlalchemy.exc import DataError, InterfaceError, OperationalError
from sqlalchemy.pool import QueuePool

from plumbline_client.new_job import new_job
from storage.database import connect, is_unavailable
from storage.direct import Direct, PersistentConnection, connect_direct, direct
from storage.jobs import leases, ledger
from tests.answers import answer

Way = Callable[[], AbstractContextManager[Direct]]


def cut_off_all(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


@pytest.fixture(params=["of a pool", "kept"])
def way(request: pytest.FixtureRequest, statements: Engine, kept: PersistentConnection) -> Way:
    """The two ways to a connection, which differ in nothing that can be seen."""
    return kept.direct if request.param == "kept" else partial(direct, statements)


def backend(run: Direct) -> int:
    found = [row.pid for row in run.execute(text("SELECT pg_backend_pid() AS pid"), {})]
    return int(found[0])


def test_each_statement_is_committed_by_itself(way: Way, engine: Engine) -> None:
    with way() as run:
        run.execute(text("CREATE TABLE kept (n int)"), {})
        run.execute(text("INSERT INTO kept VALUES (:n)"), {"n": 7})
        with engine.connect() as other:
            assert other.execute(text("SELECT n FROM kept")).scalar_one() == 7


def test_an_error_is_the_one_sqlalchemy_would_raise(way: Way) -> None:
    with way() as run, pytest.raises(DataError) as raised:
        run.execute(text("SELECT CAST(:value AS int)"), {"value": "x"})
    assert isinstance(raised.value.orig, psycopg.errors.InvalidTextRepresentation)
    with way() as run:
        assert [row.one for row in run.execute(text("SELECT 1 AS one"), {})] == [1]


def test_a_server_that_is_away_is_told_as_sqlalchemy_would() -> None:
    engine = connect_direct("postgresql://nobody@127.0.0.1:1/none")
    for way in (partial(direct, engine), PersistentConnection(engine).direct):
        with pytest.raises(OperationalError) as raised, way():
            pass
        assert is_unavailable(raised.value)


def test_a_connection_cut_off_in_use_is_told_and_replaced(way: Way, database_url: str) -> None:
    with way() as run:
        cut_off_all(database_url)
        with pytest.raises((OperationalError, InterfaceError)) as raised:
            run.execute(text("SELECT 1"), {})
    assert is_unavailable(raised.value)
    with way() as run:
        assert run.execute(text("SELECT 1"), {}).rowcount == 1


def test_a_connection_cut_off_while_idle_is_replaced_unseen(way: Way, database_url: str) -> None:
    plain = connect(database_url)
    with way(), plain.connect():
        pass
    cut_off_all(database_url)
    with way() as run:
        assert run.execute(text("SELECT 1"), {}).rowcount == 1
    with plain.connect() as connection:
        assert connection.execute(text("SELECT 1")).scalar_one() == 1
    plain.dispose()


def test_who_asks_again_gets_the_same_connection(way: Way) -> None:
    with way() as run:
        first = backend(run)
    with pytest.raises(DataError), way() as run:
        run.execute(text("SELECT CAST(:value AS int)"), {"value": "x"})
    with way() as run:
        assert backend(run) == first


def test_a_kept_connection_takes_none_of_the_pools(statements: Engine, kept: PersistentConnection) -> None:
    with kept.direct() as run, direct(statements) as other:
        assert backend(run) != backend(other)
    assert cast(QueuePool, statements.pool).checkedout() == 0


def test_a_message_is_not_planned_anew(statements: Engine) -> None:
    """PostgreSQL would plan a finish for its own ids each time, in as long as it takes to run."""
    jobs = [new_job(f"text {n}", source="test", max_chars=10) for n in range(20)]
    with direct(statements) as run:
        ledger.accept(run, jobs)
        for job in jobs:
            [lease] = ledger.claim(run, [], [job.id], lease_s=60.0)
            assert ledger.finish(run, [answer(lease)]) == {job.id}
        prepared = text("SELECT statement, custom_plans FROM pg_prepared_statements")
        found = {row.statement: row.custom_plans for row in run.execute(prepared, {})}
    assert sum("plumbline.predictions" in statement for statement in found) == 1
    assert set(found.values()) == {0}


@pytest.mark.parametrize("analyzed", [False, True])
@pytest.mark.parametrize(
    "statement",
    [ledger.CLAIM, ledger.FINISH, ledger.RELEASE, ledger.REJECT, leases.RENEW, leases.HAND_BACK],
)
def test_a_plan_made_while_the_table_was_small_finds_jobs_by_id(
    statements: Engine, statement: TextClause, analyzed: bool
) -> None:
    """A worker's connection keeps it while the table grows, until that is next analyzed."""
    names = list(statement.compile().params)
    numbered = str(statement)
    for place, name in enumerate(sorted(names, key=len, reverse=True), start=1):
        numbered = numbered.replace(f":{name}", f"${place}")
    with direct(statements) as run:
        if analyzed:
            ledger.accept(run, [new_job("one", source="test", max_chars=10)])
            run.execute(text("ANALYZE plumbline.jobs"), {})
        plan = "\n".join(
            row[0] for row in run.execute(text(f"EXPLAIN (GENERIC_PLAN) {numbered}"), {})
        )
    assert "jobs_pkey" in plan
    assert "Seq Scan on jobs" not in plan and "Seq Scan on predictions" not in plan
    assert not [name for name in ("jobs_queued_idx", "jobs_leased_idx") if name in plan], plan
    searches = [line for line in plan.splitlines() if "using jobs_pkey" in line]
    assert plan.count("Index Cond") >= len(searches), plan
