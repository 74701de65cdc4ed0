from __future__ import annotations

import pytest
from sqlalchemy import text

from plumbline.cli.database import database
from plumbline.services import Services
from storage.errors import SchemaOutdated
from tests import servers

COUNT = text("SELECT count(*) FROM plumbline.jobs")


def test_engine_is_connected_to_the_database_of_the_services(database_url: str) -> None:
    with (
        database(Services(database_url, "redis://unused")) as engine,
        engine.connect() as connection,
    ):
        assert connection.scalar(COUNT) == 0


def test_query_of_a_missing_table_asks_for_an_upgrade(postgres_server_url: str) -> None:
    with (
        servers.database(postgres_server_url, "template0") as url,
        pytest.raises(SchemaOutdated, match="run `plumbline db upgrade`"),
        database(Services(url, "redis://unused")) as engine,
        engine.connect() as connection,
    ):
        connection.scalar(COUNT)
