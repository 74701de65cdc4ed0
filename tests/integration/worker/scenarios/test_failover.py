"""A PostgreSQL that becomes a standby, and is promoted: everybody waits, and nothing is lost."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from sqlalchemy import text

from plumbline.embedded import postgres
from plumbline_client import Client
from plumbline_client.database_url import DatabaseUrl
from plumbline_client.errors import DatabaseNotReady, DatabaseUnavailable
from storage import migrate
from storage.database import connect, open_engine
from storage.prerequisites import check_creation
from tests.celery_producer import bare_producer, send
from tests.servers import execute, postgres_server
from tests.standby import promote, standby
from tests.waiting import eventually
from tests.workers import Worker, start_beat, start_worker

SETTINGS = {"sweep_every_s": 1, "lease_s": 3, "republish_after_s": 3, "max_attempts": 100}


def count_scored(url: str) -> int:
    with open_engine(url) as engine, engine.connect() as connection:
        count = text("SELECT count(*) FROM plumbline.predictions")
        return int(connection.execute(count).scalar_one())


def check_refusals_of_a_standby(url: str, broker_url: str) -> None:
    with (
        Client(url, broker_url) as client,
        pytest.raises(DatabaseNotReady, match=r"cannot execute [A-Z]+ in a read-only transaction"),
    ):
        client.submit("too early")
    engine = connect(url)
    with (
        pytest.raises(DatabaseNotReady, match="set PLUMBLINE_DATABASE_URL to the primary"),
        engine.begin() as connection,
    ):
        check_creation(connection)
    engine.dispose()


# Fails most statements that change a job or store a prediction, each time with another error.
FAIL = """
CREATE FUNCTION public.fail() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    state text := (ARRAY['53100', '53200', '40001', '40P01', '55P03', '57014', '58030', '25006',
                         'XX000'])[1 + floor(9 * random())::int];
BEGIN
    IF random() < 0.7 THEN
        RAISE EXCEPTION 'out of luck with %', state USING ERRCODE = state;
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER fail BEFORE UPDATE ON plumbline.jobs
    FOR EACH STATEMENT EXECUTE FUNCTION public.fail();
CREATE TRIGGER fail BEFORE INSERT ON plumbline.predictions
    FOR EACH STATEMENT EXECUTE FUNCTION public.fail();
"""
STOP_FAILING = "DROP FUNCTION public.fail CASCADE"


def check_passing_errors(url: str, broker_url: str, worker: Worker) -> None:
    """Let PostgreSQL answer with errors for a while: every text is scored, exactly once."""
    before = count_scored(url)
    execute(url, FAIL)
    with Client(url, broker_url) as client:
        ids = [receipt.job_id for receipt in client.submit_many([f"text {n}" for n in range(10)])]
        worker.wait_for_log("out of luck with", times=3)
        execute(url, STOP_FAILING)
        assert {result.state for result in client.wait(ids)} == {"scored"}
    assert count_scored(url) == before + 10


def several_hosts(url: str) -> str:
    """Return a URL of two servers, of which nobody runs the first."""
    parts = DatabaseUrl.parse(url).parameters
    login = f"{parts['user']}:{parts['password']}"
    return f"postgresql://{login}@127.0.0.1:1,127.0.0.1:{parts['port']}/{parts['dbname']}"


def socket_url(url: str, folder: str) -> str:
    parts = DatabaseUrl.parse(url).parameters
    login = f"{parts['user']}:{parts['password']}"
    return f"postgresql://{login}@/{parts['dbname']}?host={folder}&port={parts['port']}"


def test_standby_is_waited_for_until_it_is_promoted(
    broker_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "postgres"
    with tempfile.TemporaryDirectory() as sockets:
        Path(sockets).chmod(0o777)
        monkeypatch.setitem(postgres.SETTINGS, "unix_socket_directories", sockets)
        with postgres_server(folder) as url:
            engine = connect(socket_url(url, sockets))
            assert migrate.upgrade(engine) == migrate.newest()
            engine.dispose()
        with standby(folder) as url:
            two, log_of_worker = several_hosts(url), "the worker waits: PostgreSQL is read-only"
            check_refusals_of_a_standby(url, broker_url)
            with Client(two, broker_url) as client, pytest.raises(DatabaseUnavailable):
                client.submit("no primary")
            with bare_producer(broker_url) as producer:
                send(producer, {"version": 1, "source": "bare", "jobs": [{"text": "early"}]})

            def promote_once_the_worker_waits() -> None:
                (log,) = tmp_path.glob("worker-*.log")
                eventually(lambda: log_of_worker in log.read_text(encoding="utf-8"))
                promote(url)

            with (
                start_beat(url, broker_url, tmp_path, settings=SETTINGS) as beat,
                start_worker(
                    url,
                    broker_url,
                    tmp_path,
                    concurrency=1,
                    settings=SETTINGS,
                    while_starting=promote_once_the_worker_waits,
                ) as worker,
            ):
                eventually(lambda: count_scored(url) == 1)
                with Client(two, broker_url) as client:
                    client.submit("through the second host")
                with open_engine(socket_url(url, sockets)) as engine, engine.begin() as connection:
                    connection.execute(text("SELECT plumbline.submit_v1('through a socket')"))
                eventually(lambda: count_scored(url) == 3)
                check_passing_errors(url, broker_url, worker)
                assert beat.process.poll() is None and worker.process.poll() is None
                assert "Traceback" not in beat.log() + worker.log()
