"""The error of a database whose tables were never created, or belong to another release."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from plumbline_client.errors import DatabaseRefused
from storage.errors import SchemaOutdated

# PostgreSQL's codes for an undefined table, column, schema and function.
UNDEFINED_SQLSTATES = ("42P01", "42703", "3F000", "42883")


@contextmanager
def translate_missing_tables() -> Iterator[None]:
    """Raise SchemaOutdated if the block uses tables that the database does not have."""
    try:
        yield
    except DatabaseRefused as error:
        if _sqlstate(error.__cause__) not in UNDEFINED_SQLSTATES:
            raise
        raise SchemaOutdated(
            "The database has no tables of this release; run `plumbline db upgrade`."
        ) from error


def _sqlstate(cause: BaseException | None) -> str | None:
    """Return the code of an error of psycopg, or of the one that SQLAlchemy keeps in `orig`."""
    sqlstate: str | None = getattr(getattr(cause, "orig", cause), "sqlstate", None)
    return sqlstate
