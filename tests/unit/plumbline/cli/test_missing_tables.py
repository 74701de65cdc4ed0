import psycopg
import pytest
from psycopg import errors

from plumbline.cli.missing_tables import translate_missing_tables
from plumbline_client.errors import DatabaseRefused
from storage.errors import SchemaOutdated


class WrappedError(Exception):
    """Keeps the error of the driver in `orig`, as SQLAlchemy's DBAPIError does."""

    def __init__(self, orig: psycopg.Error) -> None:
        self.orig = orig


UNDEFINED, DENIED = errors.UndefinedTable(), errors.InsufficientPrivilege()


def refuse(cause: Exception | None) -> None:
    with translate_missing_tables():
        raise DatabaseRefused("PostgreSQL refuses.") from cause


@pytest.mark.parametrize("cause", [UNDEFINED, WrappedError(UNDEFINED)])
def test_undefined_table_asks_for_an_upgrade(cause: Exception) -> None:
    with pytest.raises(SchemaOutdated, match="run `plumbline db upgrade`"):
        refuse(cause)


@pytest.mark.parametrize("cause", [DENIED, WrappedError(DENIED), ValueError(), None])
def test_other_errors_are_unchanged(cause: Exception | None) -> None:
    with pytest.raises(DatabaseRefused, match=r"^PostgreSQL refuses\.$"):
        refuse(cause)
