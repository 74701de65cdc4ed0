"""Statements straight on psycopg: SQLAlchemy's errors, and plans that outlive a small table."""

from __future__ import annotations

import psycopg
import pytest
from sqlalchemy import Engine, TextClause, text
from sqlalchemy.exc import DataError, InterfaceError, OperationalError

from plumbline.intake import new_job
from storage import leases, ledger
from storage.database import connect, is_unavailable
from storage.direct import connect_direct, direct


def cut_off_all(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def test_each_statement_is_committed_by_itself(statements: Engine, engine: Engine) -> None:
    with direct(statements) as run:
        run.execute(text("CREATE TABLE kept (n int)"), {})
        run.execute(text("INSERT INTO kept VALUES (:n)"), {"n": 7})
        with engine.connect() as other:
            assert other.execute(text("SELECT n FROM kept")).scalar_one() == 7


def test_an_error_is_the_one_sqlalchemy_would_raise(statements: Engine) -> None:
    with direct(statements) as run, pytest.raises(DataError) as raised:
        run.execute(text("SELECT CAST(:value AS int)"), {"value": "x"})
    assert isinstance(raised.value.orig, psycopg.errors.InvalidTextRepresentation)
    with direct(statements) as run:
        assert [row.one for row in run.execute(text("SELECT 1 AS one"), {})] == [1]


def test_a_server_that_is_away_is_told_as_sqlalchemy_would() -> None:
    engine = connect_direct("postgresql://nobody@127.0.0.1:1/none")
    with pytest.raises(OperationalError) as raised, direct(engine):
        pass
    assert is_unavailable(raised.value)


def test_a_connection_cut_off_in_use_is_told_and_replaced(
    statements: Engine, database_url: str
) -> None:
    with direct(statements) as run:
        cut_off_all(database_url)
        with pytest.raises((OperationalError, InterfaceError)) as raised:
            run.execute(text("SELECT 1"), {})
    assert is_unavailable(raised.value)
    with direct(statements) as run:
        assert run.execute(text("SELECT 1"), {}).rowcount == 1


def test_a_connection_cut_off_while_idle_is_replaced_unseen(
    statements: Engine, database_url: str
) -> None:
    plain = connect(database_url)
    with direct(statements), plain.connect():
        pass
    cut_off_all(database_url)
    with direct(statements) as run:
        assert run.execute(text("SELECT 1"), {}).rowcount == 1
    with plain.connect() as connection:
        assert connection.execute(text("SELECT 1")).scalar_one() == 1
    plain.dispose()


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
