"""PostgreSQL for a command: one engine, and errors of one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine

from plumbline.cli.missing_tables import translate_missing_tables
from plumbline_client.services import Services
from storage.database import open_engine


@contextmanager
def database(services: Services) -> Iterator[Engine]:
    """Yield an engine. Raises StorageError for every error of PostgreSQL in the block."""
    with translate_missing_tables(), open_engine(services.database_url) as engine:
        yield engine
