"""A command's way to PostgreSQL: one engine, and a sentence for whatever it answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from plumbline.services import connected
from plumbline.settings import Settings
from storage.errors import DatabaseRefused, SchemaOutdated

if TYPE_CHECKING:
    from sqlalchemy import Engine

# PostgreSQL's codes for an undefined table, column and schema.
NO_SUCH_TABLE = ("42P01", "42703", "3F000")


@contextmanager
def database(settings: Settings) -> Iterator[Engine]:
    """An engine for the database of these settings, else of `plumbline up`.

    Raises ServicesMissing where there is neither, and StorageError for what the database refuses.
    """
    from storage.database import clear_errors, connect

    url = connected(settings).database_url
    assert url is not None
    engine = connect(url.get_secret_value())
    try:
        with tables_needed(), clear_errors(engine):
            yield engine
    finally:
        engine.dispose()


@contextmanager
def tables_needed() -> Iterator[None]:
    """Say what to do where the tables were never made, or by another release."""
    try:
        yield
    except DatabaseRefused as error:
        original = getattr(error.__cause__, "orig", None)
        if getattr(original, "sqlstate", None) not in NO_SUCH_TABLE:
            raise
        raise SchemaOutdated(
            "The database has no tables of this release; run `plumbline db upgrade`."
        ) from error
