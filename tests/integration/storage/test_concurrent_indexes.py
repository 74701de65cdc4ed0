"""Indexes that are built while the table is in use."""

from __future__ import annotations

from sqlalchemy import Engine, text

from migrations import indexes_0015, indexes_0017
from storage import migrate
from storage.concurrent_indexes import build_indexes

INDEXES = indexes_0017.INDEXES
NAME = "jobs_scored_id_idx"
IS_VALID = text("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:name)")


def is_valid(engine: Engine, name: str = NAME) -> bool | None:
    with engine.connect() as connection:
        found = connection.execute(IS_VALID, {"name": f"plumbline.{name}"})
        return found.scalar_one_or_none()


def test_missing_and_interrupted_indexes_are_built_once(engine: Engine) -> None:
    reports: list[str] = []
    for spoil in (
        f"DROP INDEX plumbline.{NAME}",
        f"UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'plumbline.{NAME}'::regclass",
    ):
        with engine.begin() as connection:
            connection.execute(text(spoil))
        assert not is_valid(engine)
        build_indexes(engine, INDEXES, reports.append)
        assert is_valid(engine)
    build_indexes(engine, INDEXES, reports.append)
    assert reports == [f"The index {NAME} is built; scoring continues."] * 2


def test_upgrade_builds_the_indexes_before_the_migration(empty: Engine) -> None:
    migrate.upgrade(empty, "0014")
    reports: list[str] = []
    assert migrate.upgrade(empty, report=reports.append) == migrate.newest()
    built = [*indexes_0015.INDEXES, *INDEXES]
    assert [report.split()[2] for report in reports] == built
    replaced = indexes_0017.REPLACED
    assert {name: is_valid(empty, name) for name in built} == {
        name: None if name in replaced else True for name in built
    }
