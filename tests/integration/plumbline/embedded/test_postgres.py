"""PostgreSQL keeps its data, and starts again after a run that was killed."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import psycopg
import pytest

from plumbline.embedded import postgres, postgres_user
from plumbline.embedded.errors import EmbeddedFailed
from plumbline.embedded.postgres import postgres_server
from plumbline_client.database_url import DatabaseUrl
from plumbline_client.session import open_connection
from storage import migrate
from storage.database import connect
from tests import embedded_servers
from tests.foreign_environment import FOREIGN_POSTGRESQL


def write(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as database:
        database.execute("CREATE TABLE kept AS SELECT 'yes' AS answer")


def read(url: str) -> str:
    with psycopg.connect(url) as database:
        row = database.execute("SELECT answer FROM kept").fetchone()
        assert row is not None
        return str(row[0])


def test_postgres_keeps_its_data_and_its_url(tmp_path: Path) -> None:
    embedded_servers.check_data_and_url_are_kept(postgres_server, tmp_path, write, read)


def test_postgres_of_a_killed_run_is_stopped(tmp_path: Path) -> None:
    embedded_servers.check_server_of_a_killed_run_is_stopped(postgres_server, tmp_path, write, read)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts the server as another user")
def test_programs_in_a_folder_that_only_root_can_search_are_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = postgres.find_binaries().parents[1]
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    for name in (package.name, f"{package.name}.libs"):
        shutil.copytree(package.parent / name, private / name)
    monkeypatch.setattr(
        postgres, "find_binaries", lambda: private / package.name / "pginstall" / "bin"
    )
    # A folder of the system, since only the test's own user can search the folders of a test.
    with tempfile.TemporaryDirectory(dir="/var/tmp") as cache:
        Path(cache).chmod(0o755)
        monkeypatch.setattr(postgres_user, "SYSTEM_CACHE", Path(cache))
        with postgres_server(private / "state") as server:
            write(server.url)
            assert read(server.url) == "yes"
    assert private.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("wrong", ["data/postgresql.conf", "data/PG_VERSION"])
def test_failed_start_quotes_the_log_and_does_not_pass_it_off_as_the_cause(
    wrong: str, tmp_path: Path
) -> None:
    with postgres_server(tmp_path):
        pass
    (tmp_path / wrong).write_text("max_connections = none\n", encoding="ascii")
    with pytest.raises(EmbeddedFailed) as error, postgres_server(tmp_path):
        pass
    assert str(error.value).startswith(
        "PostgreSQL did not start: it exited with status 1; its log,"
    )
    assert f'its log, {tmp_path / "server.log"}, ends with: "' in str(error.value)


def test_failed_initialization_names_the_program_that_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "NAME", "pg_reserved")
    with pytest.raises(EmbeddedFailed) as error, postgres_server(tmp_path):
        pass
    assert str(error.value).startswith(
        "PostgreSQL could not be initialized: initdb exited with status 1; its log,"
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lock", "server.log", "unready"]


def test_no_variable_of_another_program_reaches_the_server_or_its_clients(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in FOREIGN_POSTGRESQL.items():
        monkeypatch.setenv(name, value)
    with postgres_server(tmp_path) as server:
        url = DatabaseUrl.parse(server.url)
        with open_connection(url) as connection:
            info = connection.info
            assert (info.host, info.hostaddr, str(info.port)) == (
                "127.0.0.1", "127.0.0.1", url.parameters["port"],
            )  # fmt: skip
            assert (info.user, info.dbname) == ("plumbline", "plumbline")
            assert not connection.pgconn.ssl_in_use and info.encoding == "utf-8"
            show = "SELECT current_setting(%s)"
            assert connection.execute(show, ["TimeZone"]).fetchone() == ("UTC",)
            assert connection.execute(show, ["application_name"]).fetchone() == ("plumbline",)
        assert os.environ["PGTZ"] == FOREIGN_POSTGRESQL["PGTZ"], "the environment is as it was"
        engine = connect(server.url)
        assert migrate.upgrade(engine) == migrate.newest()
        engine.dispose()


def test_wrong_password_file_ends_the_start_at_once(tmp_path: Path) -> None:
    with postgres_server(tmp_path):
        pass
    (tmp_path / "password").write_text("wrong", encoding="ascii")
    with (
        pytest.raises(EmbeddedFailed, match="password authentication failed"),
        postgres_server(tmp_path),
    ):
        pass
