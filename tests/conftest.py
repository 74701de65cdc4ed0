"""Fixtures for all levels of tests. A server starts when the first test requests it."""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from sqlalchemy import Engine

from plumbline import celery_environment
from storage import migrate
from storage.database import connect
from storage.direct import PersistentConnection, connect_direct
from tests.paths import SHARED_DATA
from tests.servers import database, execute, postgres_server, redis_server, with_database

# Producers of the tests are plain Celery programs, which would follow the developer's variables.
celery_environment.clean(os.environ)
# Hundreds of tests start processes, each of which would compile our modules again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Give the session a temporary folder of its own; workers of xdist inherit it.

    By default every session of a user resets the mode of the folder that all of them share. As
    root, that stops the PostgreSQL of another session, which runs as an unprivileged user.
    """
    if config.option.basetemp is None:
        folder = Path(tempfile.mkdtemp(prefix="plumbline-tests-"))
        config.option.basetemp = str(folder / "tmp")
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    if config.option.dist != "loadfile":
        return None
    from tests.scheduling import Scheduling

    return Scheduling(config, log)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder with real labelled data; skip the test if it is missing."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"needs the labelled data of the development machines in {SHARED_DATA}")
    return SHARED_DATA


@pytest.fixture(scope="session")
def postgres_server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run a PostgreSQL for the whole session.

    It does not wait for the disk, which takes longer than most tests: dropping a database writes a
    checkpoint. Tests that kill a PostgreSQL start their own.
    """
    with postgres_server(tmp_path_factory.mktemp("postgres")) as url:
        for setting in ("fsync = off", "full_page_writes = off", "file_copy_method = clone"):
            execute(url, f"ALTER SYSTEM SET {setting}")
        execute(url, "SELECT pg_reload_conf()")
        yield url


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run a Redis for the whole session."""
    with redis_server(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture(scope="session")
def template(postgres_server_url: str) -> str:
    """Return the name of a migrated database without connections, so that it can be copied."""
    name = "template_" + uuid.uuid4().hex
    execute(postgres_server_url, f"CREATE DATABASE {name}")
    engine = connect(with_database(postgres_server_url, name))
    migrate.upgrade(engine)
    engine.dispose()
    return name


@pytest.fixture
def database_url(postgres_server_url: str, template: str) -> Iterator[str]:
    """Create a migrated database for one test."""
    with database(postgres_server_url, template) as url:
        yield url


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = connect(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def direct_engine(database_url: str) -> Iterator[Engine]:
    """Like `engine`, but for `storage.direct`."""
    engine = connect_direct(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def persistent_connection(direct_engine: Engine) -> Iterator[PersistentConnection]:
    """Return a connection for statements, like the one a worker process keeps."""
    connection = PersistentConnection(direct_engine)
    yield connection
    connection.close()


@pytest.fixture
def empty(postgres_server_url: str) -> Iterator[Engine]:
    """Create a database without tables for one test."""
    with database(postgres_server_url, "template0") as url:
        engine = connect(url)
        yield engine
        engine.dispose()


@pytest.fixture
def broker_url(redis_url: str) -> str:
    """Return the session's Redis, emptied."""
    with redis.Redis.from_url(redis_url) as connection:
        connection.flushall()
    return redis_url
