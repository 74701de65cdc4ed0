"""A command's way to PostgreSQL: one engine, and a sentence for whatever it answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from plumbline.services import Services
from plumbline_client.errors import DatabaseRefused
from storage.errors import SchemaOutdated

if TYPE_CHECKING:
    from sqlalchemy import Engine

# PostgreSQL's codes for an undefined table, column and schema.
NO_SUCH_TABLE = ("42P01", "42703", "3F000")


@contextmanager
def database(services: Services) -> Iterator[Engine]:
    """Yield an engine. Raises StorageError for every error of PostgreSQL in the block."""
    from storage.database import connect, translate_errors

    engine = connect(services.database_url)
    try:
        with tables_needed(), translate_errors(engine):
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
