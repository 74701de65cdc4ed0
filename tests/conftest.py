"""Fixtures every level of tests shares. Servers start when the first test asks for them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from sqlalchemy import Engine

from storage import migrate
from storage.database import connect
from storage.direct import PersistentConnection, connect_direct
from tests.paths import SHARED_DATA
from tests.servers import database, execute, named, postgres_server, redis_server


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The real labelled data beside the checkout; where it is absent, the test is skipped."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"needs the labelled data of the development machines in {SHARED_DATA}")
    return SHARED_DATA


@pytest.fixture(scope="session")
def postgres_server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL for the whole session."""
    with postgres_server(tmp_path_factory.mktemp("postgres")) as url:
        yield url


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis for the whole session."""
    with redis_server(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture(scope="session")
def template(postgres_server_url: str) -> str:
    """The name of a migrated database nobody is connected to; copying it takes milliseconds."""
    name = "template_" + uuid.uuid4().hex
    execute(postgres_server_url, f"CREATE DATABASE {name}")
    engine = connect(named(postgres_server_url, name))
    migrate.upgrade(engine)
    engine.dispose()
    return name


@pytest.fixture
def database_url(postgres_server_url: str, template: str) -> Iterator[str]:
    """A migrated database of the test's own."""
    with database(postgres_server_url, template) as url:
        yield url


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = connect(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def statements(database_url: str) -> Iterator[Engine]:
    """As `engine`, for `storage.direct`."""
    engine = connect_direct(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def kept(statements: Engine) -> Iterator[PersistentConnection]:
    """As a worker keeps a connection for its statements."""
    kept = PersistentConnection(statements)
    yield kept
    kept.close()


@pytest.fixture
def broker_url(redis_url: str) -> str:
    """The session's Redis, emptied."""
    with redis.Redis.from_url(redis_url) as connection:
        connection.flushall()
    return redis_url
