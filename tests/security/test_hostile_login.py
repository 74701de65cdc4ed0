"""A login of the same PostgreSQL that has no right on Plumbline's tables, only CONNECT.

It may take advisory locks, send notifications, and keep transactions open. It may not stop sweeps,
migrations, submissions or the relay, and where a login with rights stops sweeps, that is seen.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, cast

import psycopg
import pytest
from sqlalchemy import Engine, text

from plumbline.health import Health, assess
from plumbline.heartbeat import Heartbeat, WorkerStatus
from plumbline.settings import Settings
from plumbline_client.broker import Publisher
from plumbline_client.services import Services
from storage import migrate, periodic_tasks
from storage.database import connect
from storage.jobs.announcements import CHANNEL
from storage.jobs.overdue_leases import overdue_leases
from storage.locks import Lock, lock, try_lock
from storage.prerequisites import open_to_all
from storage.progress import progress
from tests.servers import execute, postgres_server
from tests.waiting import eventually
from tests.workers import start_beat, start_worker
from worker.relay import Relay
from worker.sweeper import run_sweep

# The keys of the advisory locks that earlier releases took.
EARLIER_KEYS = (0x6D696772, 0x6465706C6F79, 0x706C756D62, 0x616C6572, 0x7175616C)
SUBMIT = text("SELECT plumbline.submit_v1(:text)")
RUNNING = [
    Heartbeat(WorkerStatus.SCORING, "m", "worker"),
    Heartbeat(WorkerStatus.BEAT, "m", "beat"),
]


@pytest.fixture(scope="module")
def server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run a PostgreSQL whose queue of notifications is small: 64 pages of 8 KiB."""
    folder = tmp_path_factory.mktemp("hostile-login")
    with postgres_server(folder) as url:
        execute(url, "ALTER SYSTEM SET max_notify_queue_pages = 64")
    with postgres_server(folder) as url:
        engine = connect(url)
        migrate.upgrade(engine)
        engine.dispose()
        execute(url, "CREATE ROLE stranger LOGIN PASSWORD 'stranger'")
        with pytest.raises(psycopg.OperationalError, match="CONNECT privilege"):
            psycopg.connect(as_stranger(url))
        execute(url, "GRANT CONNECT ON DATABASE plumbline TO stranger")
        yield url


@pytest.fixture
def engine(server_url: str) -> Iterator[Engine]:
    engine = connect(server_url)
    yield engine
    with engine.begin() as connection:
        connection.execute(text("TRUNCATE plumbline.jobs CASCADE"))
    engine.dispose()


@pytest.fixture
def stranger_url(server_url: str) -> str:
    return as_stranger(server_url)


def as_stranger(url: str) -> str:
    return url.replace(url.rpartition("@")[0], "postgresql://stranger:stranger")


@pytest.fixture
def services(server_url: str, broker_url: str) -> Services:
    return Services(server_url, broker_url)


def submit(engine: Engine) -> uuid.UUID:
    with engine.begin() as connection:
        job_id: uuid.UUID = connection.execute(SUBMIT, {"text": "See you at six"}).scalar_one()
        return job_id


def published(engine: Engine) -> int:
    query = text("SELECT count(*) FROM plumbline.jobs WHERE published_at IS NOT NULL")
    with engine.connect() as connection:
        return int(connection.execute(query).scalar_one())


def sweep(engine: Engine, services: Services) -> bool:
    """Return whether a sweep did all of its work, and record it as the task does."""
    with Publisher(services.broker_url) as publisher:
        swept = run_sweep(engine, publisher, Settings(), services)
    if swept is None or not swept.complete:
        return False
    with engine.begin() as connection:
        periodic_tasks.end(connection, "plumbline.sweep")
    return True


def test_advisory_locks_of_a_stranger_stop_nothing(
    engine: Engine, services: Services, stranger_url: str
) -> None:
    """It may take every advisory lock that there is. Nothing of ours waits for one."""
    with closing(psycopg.connect(stranger_url)) as stranger:
        for key in EARLIER_KEYS:
            stranger.execute("SELECT pg_advisory_lock(%s)", [key])
        stranger.commit()
        assert sweep(engine, services)
        assert migrate.upgrade(engine, patience_s=5.0) == migrate.newest()
        with engine.begin() as connection:
            for name in Lock:
                assert try_lock(connection, name)
                lock(connection, name)


def test_workers_score_and_sweep_beside_the_stranger(
    engine: Engine, services: Services, stranger_url: str, tmp_path: Path
) -> None:
    """Beat and a prefork worker do their work, while it holds every lock that it can get."""
    urls = (services.database_url, services.broker_url, tmp_path)
    ended = text("SELECT count(*) FROM plumbline.periodic_tasks WHERE ended_at IS NOT NULL")
    scored = text("SELECT count(*) FROM plumbline.jobs WHERE state = 'scored'")
    with engine.begin() as connection:
        connection.execute(text("TRUNCATE plumbline.periodic_tasks"))
    with closing(psycopg.connect(stranger_url)) as stranger:
        for key in EARLIER_KEYS:
            stranger.execute("SELECT pg_advisory_lock(%s)", [key])
        submit(engine)
        with (
            start_beat(*urls, settings={"sweep_every_s": 1}),
            start_worker(*urls, concurrency=1),
            engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection,
        ):
            eventually(lambda: connection.execute(ended).scalar_one() == 1)
            eventually(lambda: connection.execute(scored).scalar_one() == 1)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM plumbline.locks FOR UPDATE",
        "SELECT * FROM plumbline.locks FOR KEY SHARE",
        "LOCK TABLE plumbline.locks IN ACCESS SHARE MODE",
        "LOCK TABLE plumbline.schema_version IN SHARE ROW EXCLUSIVE MODE",
        "DELETE FROM plumbline.locks",
        "UPDATE plumbline.periodic_tasks SET ended_at = now()",
        "SELECT plumbline.notify_relay()",
        "SELECT plumbline.submit_v1('x')",
        "CREATE TABLE plumbline.mine (x int)",
        "CREATE TABLE public.mine (x int)",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'plumbline'",
    ],
)
def test_a_stranger_locks_and_changes_nothing_of_ours(
    engine: Engine, stranger_url: str, statement: str
) -> None:
    with (
        closing(psycopg.connect(stranger_url)) as stranger,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        stranger.execute(statement)


def test_a_full_queue_of_notifications_stops_no_submission_and_no_publication(
    engine: Engine, services: Services, stranger_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It may keep the queue full, after which the relay polls, and logs why."""
    caplog.set_level(logging.INFO)
    relay = Relay(Settings(), services)
    relay.start()
    try:
        with closing(psycopg.connect(stranger_url)) as listener:
            # A listener that does not end its transaction keeps every later notification.
            listener.execute("LISTEN junk")
            listener.commit()
            listener.execute("SELECT 1")
            fill_queue(stranger_url)
            with (
                closing(psycopg.connect(stranger_url, autocommit=True)) as other,
                pytest.raises(psycopg.OperationalError, match="NOTIFY"),
            ):
                other.execute("NOTIFY junk")
            for _ in range(3):
                submit(engine)
            eventually(lambda: published(engine) == 3)
            eventually(lambda: "queue of notifications is half full" in caplog.text)
        # After its end, notifications arrive again.
        eventually(lambda: "over: the relay reads the outbox every 1 s" in caplog.text, 90.0)
    finally:
        relay.stop()


def fill_queue(url: str) -> None:
    """Send notifications until the server accepts no more."""
    with psycopg.connect(url, autocommit=True) as stranger:
        try:
            for _ in range(1_000):
                stranger.execute(
                    "SELECT pg_notify('junk', n || repeat('x', 7000)) "
                    "FROM generate_series(1, 3) AS n"
                )
        except psycopg.OperationalError:
            return
    raise AssertionError("the queue is not full")


def test_a_flood_of_notifications_does_not_make_the_relay_spin(
    engine: Engine,
    services: Services,
    stranger_url: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It may flood the channel, whose name is public. The relay then polls, and still relays."""
    reads = 0
    relayed = Relay._publish_and_wait

    def count_reads(self: Relay, listener: object) -> bool:
        nonlocal reads
        reads += 1
        return relayed(self, listener)  # type: ignore[arg-type]

    monkeypatch.setattr(Relay, "_publish_and_wait", count_reads)
    relay = Relay(Settings(), services)
    relay.start()
    stopping = threading.Event()
    flood = threading.Thread(target=send_flood, args=(stranger_url, stopping))
    try:
        eventually(lambda: reads > 0)
        flood.start()
        eventually(lambda: "floods PostgreSQL's channel" in caplog.text)
        before = reads
        submit(engine)
        eventually(lambda: published(engine) == 1)
        # Each read takes a second of polling; the flood sends hundreds of thousands meanwhile.
        eventually(lambda: reads > before + 1)
        assert reads < before + 20
    finally:
        stopping.set()
        flood.join()
        relay.stop()


def send_flood(url: str, stopping: threading.Event) -> None:
    with psycopg.connect(url, autocommit=True) as stranger:
        while not stopping.is_set():
            # While the relay reads, the small queue may be full.
            with suppress(psycopg.errors.ProgramLimitExceeded):
                stranger.execute(
                    f"SELECT pg_notify('{CHANNEL}', n::text) FROM generate_series(1, 5000) AS n"
                )


def test_sweeps_that_a_login_with_rights_stops_are_seen(
    engine: Engine, services: Services, caplog: pytest.LogCaptureFixture
) -> None:
    """It may hold the row: it can change the tables. Health, metrics and alerts show it."""
    with engine.begin() as connection:
        periodic_tasks.schedule(connection, {"plumbline.sweep": 5.0})
    assert sweep(engine, services)
    assert health(engine) is Health.HEALTHY
    with engine.connect() as neighbour, neighbour.begin():
        lock(neighbour, Lock.SWEEP)
        assert not sweep(engine, services)
        assert "this sweep is skipped: another transaction holds the row sweep" in caplog.text
        age(engine)
        assert health(engine) is Health.STUCK
    assert sweep(engine, services)
    assert health(engine) is Health.HEALTHY


def test_one_locked_row_keeps_no_other_from_being_swept_and_is_seen(
    engine: Engine, services: Services
) -> None:
    with engine.begin() as connection:
        periodic_tasks.schedule(connection, {"plumbline.sweep": 5.0})
    held, other = submit(engine), submit(engine)
    with engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE plumbline.jobs SET state = 'leased', attempts = 1, published_at = now(), "
                "started_at = now() - interval '2 h', lease_until = now() - interval '1 h'"
            )
        )
    age(engine)
    with engine.connect() as neighbour, neighbour.begin():
        neighbour.execute(
            text("SELECT FROM plumbline.jobs WHERE id = :id FOR UPDATE"), {"id": held}
        )
        assert sweep(engine, services)
        with engine.connect() as connection:
            jobs = connection.execute(text("SELECT id, state FROM plumbline.jobs"))
            states = {job.id: job.state for job in jobs}
            assert states == {held: "leased", other: "queued"}
            assert overdue_leases(connection).leases == 1
        assert health(engine) is Health.STUCK
    assert sweep(engine, services)
    assert health(engine) is Health.HEALTHY


def test_a_clock_that_is_set_back_does_not_hide_that_sweeps_stopped(
    engine: Engine, services: Services
) -> None:
    with engine.begin() as connection:
        periodic_tasks.schedule(connection, {"plumbline.sweep": 5.0})
    assert sweep(engine, services)
    age(engine, "+")
    assert health(engine) is Health.STUCK
    assert sweep(engine, services)
    assert health(engine) is Health.HEALTHY


def test_restarts_of_beat_do_not_hide_that_sweeps_stopped(engine: Engine) -> None:
    with engine.begin() as connection:
        periodic_tasks.schedule(connection, {"plumbline.sweep": 5.0})
        periodic_tasks.end(connection, "plumbline.sweep")
    age(engine)
    with engine.begin() as connection:
        periodic_tasks.schedule(connection, {"plumbline.sweep": 5.0})
    assert health(engine) is Health.HEALTHY, "it had not been running"
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE plumbline.periodic_tasks SET scheduled_at = now() - interval '30 min'")
        )
        periodic_tasks.schedule(connection, {"plumbline.sweep": 5.0})
    assert health(engine) is Health.STUCK


def age(engine: Engine, sign: str = "-") -> None:
    """Move the times of all periodic tasks by an hour, as if PostgreSQL's clock had moved on."""
    with engine.begin() as connection:
        connection.execute(
            text(
                f"UPDATE plumbline.periodic_tasks SET ended_at = ended_at {sign} interval '1 h', "
                f"scheduled_at = scheduled_at {sign} interval '1 h'"
            )
        )


def health(engine: Engine) -> Health:
    with engine.connect() as connection:
        raw = cast("psycopg.Connection[Any]", connection.connection.driver_connection)
        return assess(RUNNING, progress(raw, 60.0), 60.0).health


def test_check_names_the_grant_to_everybody(engine: Engine) -> None:
    with engine.connect() as connection, connection.begin() as transaction:
        assert open_to_all(connection) is None
        connection.execute(text("GRANT CONNECT ON DATABASE plumbline TO PUBLIC"))
        warning = open_to_all(connection) or ""
        assert 'run REVOKE CONNECT ON DATABASE "plumbline" FROM PUBLIC' in warning
        transaction.rollback()
