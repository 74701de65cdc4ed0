"""Migrate the tables to the version of this release."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import monotonic

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine

import migrations
from migrations import indexes_0015, indexes_0017
from storage.concurrent_indexes import build_indexes
from storage.database import MIGRATING, statement_limit
from storage.jobs.text_hashes import key_plain_hashes
from storage.prerequisites import check_creation, check_server
from storage.schema_version import check, current, newest
from storage.table_locks import PATIENCE_S, call_when_unlocked

__all__ = ("check", "current", "newest", "upgrade")

# Texts whose hashes are keyed between two reports.
REPORT_EVERY = 100_000
# The migrations whose indexes are built before them, without stopping anybody.
LARGE_INDEXES = {"0015": indexes_0015.INDEXES, "0017": indexes_0017.INDEXES}


def upgrade(
    engine: Engine,
    revision: str = "head",
    *,
    report: Callable[[str], None] = lambda _: None,
    patience_s: float = PATIENCE_S,
) -> str:
    """Run the missing migrations; return the version of the tables afterwards.

    Several processes may call it at once; a lock makes them take turns. Each migration of existing
    tables is a transaction of its own, which waits only briefly for a lock: everybody who wants to
    use the table would wait behind it. `report` receives a sentence about whom it waits for, and
    about the hashes of texts, which are keyed at the end in batches.

    Raises DatabaseUnsuitable or RightsMissing before anything is created, and DatabaseInUse after
    `patience_s`; migrations that were complete by then stay.
    """
    with engine.connect() as connection:
        check_server(connection)
        version = current(connection)
        if version != newest():
            check_creation(connection)
    ends_at = monotonic() + patience_s
    for step in _steps(version, revision):
        if step in LARGE_INDEXES and version is not None:
            with statement_limit(MIGRATING):
                build_indexes(engine, LARGE_INDEXES[step], report)
        call_when_unlocked(engine, partial(_run, engine, step), report, ends_at)
    if revision == "head":
        _key_plain_hashes(engine, report)
    with engine.connect() as connection:
        return current(connection) or "nothing"


def _steps(version: str | None, revision: str) -> list[str]:
    """Return the migrations to run one by one; new tables have no users, and are made at once."""
    script = ScriptDirectory.from_config(_config(None))
    known = {each.revision for each in script.walk_revisions()}
    if version is None or version not in known:
        return [revision]
    missing = list(script.iterate_revisions(revision, version))
    return [each.revision for each in reversed(missing)]


def _run(engine: Engine, revision: str) -> None:
    with statement_limit(MIGRATING), engine.begin() as connection:
        command.upgrade(_config(connection), revision)


def _key_plain_hashes(engine: Engine, report: Callable[[str], None]) -> None:
    """Replace the hashes that an earlier release stored; workers continue meanwhile."""
    keyed = 0
    for count in key_plain_hashes(engine):
        reported, keyed = keyed // REPORT_EVERY, keyed + count
        if keyed // REPORT_EVERY > reported:
            report(f"The hashes of {keyed:,} texts are keyed ...")
    if keyed:
        report(f"The hashes of {keyed:,} texts are keyed now.")


def _config(connection: Connection | None) -> Config:
    config = Config()
    folder = str(Path(migrations.__file__).parent)
    # Alembic reads the option with `configparser`, where a percent sign starts a reference.
    config.set_main_option("script_location", folder.replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
