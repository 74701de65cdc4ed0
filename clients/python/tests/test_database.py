from __future__ import annotations

import pytest

from plumbline_client.database import Database
from plumbline_client.errors import DatabaseUnavailable, DatabaseUrlInvalid


def test_url_that_is_not_a_postgresql_url_is_refused() -> None:
    with pytest.raises(DatabaseUrlInvalid, match="must start with postgresql://"):
        Database("mysql://host/name")


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_unreachable_server_is_reported_without_its_password(scheme: str) -> None:
    database = Database(f"{scheme}://me:secret@127.0.0.1:1/name")
    with pytest.raises(DatabaseUnavailable) as error, database.connection():
        pass
    assert "127.0.0.1:1/name cannot be reached: " in str(error.value)
    assert "secret" not in str(error.value)
