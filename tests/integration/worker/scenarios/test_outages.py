"""Servers that fail and return under load: workers resume by themselves, and nothing is lost."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import redis
from sqlalchemy import Engine, text

from plumbline_client import Client
from storage import migrate
from storage.database import connect
from tests import poison
from tests.proxy import proxy
from tests.servers import postgres_server, redis_server
from tests.waiting import eventually
from tests.workers import Worker, start_beat, start_worker

OUTAGE_S = 5.0
EXIT_WITHIN_S = 10.0
SETTINGS = {"sweep_every_s": 1, "republish_after_s": 5, "lease_s": 3, "max_attempts": 10}
TEXT = "Your parcel waits at the depot until noon. " * 20


def wait_until_scored(engine: Engine, texts: int, timeout_s: float = 60.0) -> None:
    count = text("SELECT count(*) FROM plumbline.predictions")

    def are_scored() -> bool:
        with engine.connect() as connection:
            return bool(connection.execute(count).scalar_one() >= texts)

    eventually(are_scored, timeout_s, f"{texts} texts are not scored within {timeout_s:g} s")


@contextmanager
def fleet(database_url: str, broker_url: str, folder: Path) -> Iterator[list[Worker]]:
    """Run a beat and two workers, and check that all survive the block."""
    with (
        start_beat(database_url, broker_url, folder, settings=SETTINGS) as beat,
        start_worker(database_url, broker_url, folder, settings=SETTINGS, concurrency=1) as first,
        start_worker(database_url, broker_url, folder, settings=SETTINGS, concurrency=1) as second,
    ):
        yield [beat, first, second]
        assert [each.process.poll() for each in (beat, first, second)] == [None] * 3


def test_nothing_is_lost_in_an_outage_of_redis(
    database_url: str, engine: Engine, tmp_path: Path
) -> None:
    servers = redis_server(tmp_path / "redis")
    url = servers.__enter__()
    with (
        # Outermost, so that the workers drain while Redis is running.
        ExitStack() as restarted,
        fleet(database_url, url, tmp_path),
        Client(database_url, url, message_size=4) as client,
    ):
        ids = [receipt.job_id for receipt in client.submit_many([TEXT] * 200)]
        wait_until_scored(engine, 40)
        servers.__exit__(None, None, None)
        outage_ends = time.monotonic() + OUTAGE_S
        # Accepted during the outage, and published after it.
        ids += [receipt.job_id for receipt in client.submit_many(["meanwhile"] * 8)]
        eventually(lambda: time.monotonic() > outage_ends)
        restarted.enter_context(redis_server(tmp_path / "redis"))
        results = client.wait(ids, timeout_s=90.0)
        assert {row.state for row in results} == {"scored"}
        wait_until_scored(engine, len(ids), 0.0)


def test_a_worker_reconnects_after_redis_vanished_without_closing_connections(
    database_url: str, broker_url: str, tmp_path: Path
) -> None:
    """The old connections neither respond nor close; the sweeper resends what was sent on them."""
    app = "tests.short_timeout_app"
    options: dict[str, Any] = {"settings": SETTINGS, "app": app, "concurrency": 1}
    with (
        proxy(broker_url) as redis_proxy,
        start_beat(database_url, redis_proxy.url, tmp_path, settings=SETTINGS, app=app),
        start_worker(database_url, redis_proxy.url, tmp_path, **options) as worker,
        Client(database_url, broker_url) as client,
    ):
        assert client.wait([client.submit("before").job_id])[0].state == "scored"
        redis_proxy.silence()
        assert client.wait([client.submit("after").job_id])[0].state == "scored"
        assert worker.process.poll() is None


def test_a_worker_exits_within_10_s_of_sigterm_while_redis_hangs(
    database_url: str, engine: Engine, tmp_path: Path
) -> None:
    with redis_server(tmp_path / "redis") as url:
        server = psutil.Process(_pid_of_redis(url))
        with (
            Client(database_url, url) as client,
            start_worker(
                database_url, url, tmp_path, app="tests.poison_app", concurrency=1
            ) as worker,
        ):
            list(client.submit_many(f"{poison.SLOW}1 number {n}" for n in range(30)))
            worker.wait_for_leases(engine, 30)
            worker.wait_for_log("scoring a slow text")
            children = worker.children()
            server.suspend()
            started = time.monotonic()
            worker.drain()
            took_s = time.monotonic() - started
            server.resume()
        assert took_s < EXIT_WITHIN_S
        eventually(lambda: not any(_is_running(pid) for pid in children), 5.0, "a child is left")
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT state, attempts FROM plumbline.jobs")).all()
    assert set(rows) == {("scored", 1), ("queued", 0)}


def _is_running(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _pid_of_redis(url: str) -> int:
    with redis.Redis.from_url(url) as keys:
        return int(keys.info("server")["process_id"])


def test_short_interruptions_of_redis_stall_no_worker(
    database_url: str, broker_url: str, engine: Engine, tmp_path: Path
) -> None:
    """Repeatedly cut connections have been reported to stall workers (celery issue 10302)."""
    with (
        redis.Redis.from_url(broker_url) as keys,
        fleet(database_url, broker_url, tmp_path) as processes,
        Client(database_url, broker_url, message_size=4) as client,
    ):
        for interruption in range(1, 5):
            jobs = [receipt.job_id for receipt in client.submit_many([TEXT] * 20)]
            wait_until_scored(engine, (interruption - 1) * 20 + 4)
            for kind in ("normal", "pubsub"):
                keys.client_kill_filter(_type=kind, skipme=True)
            results = client.wait(jobs, timeout_s=30.0)
            assert {row.state for row in results} == {"scored"}
        # Each worker must score a message of its own, so that neither covers for the other.
        for worker in processes[1:]:
            count = worker.log().count(" 1 scored")
            while worker.log().count(" 1 scored") == count:
                client.wait([client.submit("one").job_id], timeout_s=30.0)


def test_nothing_is_lost_in_an_outage_of_postgresql(broker_url: str, tmp_path: Path) -> None:
    servers = postgres_server(tmp_path / "postgres")
    url = servers.__enter__()
    engine = connect(url)
    migrate.upgrade(engine)
    with (
        ExitStack() as restarted,
        fleet(url, broker_url, tmp_path),
        Client(url, broker_url, message_size=4) as client,
    ):
        ids = [receipt.job_id for receipt in client.submit_many([TEXT] * 200)]
        wait_until_scored(engine, 40)
        engine.dispose()
        servers.__exit__(None, None, None)
        outage_ends = time.monotonic() + OUTAGE_S
        eventually(lambda: time.monotonic() > outage_ends)
        restarted.enter_context(postgres_server(tmp_path / "postgres"))
        restarted.callback(engine.dispose)
        results = client.wait(ids, timeout_s=90.0)
        assert {row.state for row in results} == {"scored"}
        wait_until_scored(engine, len(ids), 0.0)


def test_two_beats_and_ten_processes_score_each_text_once(
    database_url: str, broker_url: str, engine: Engine, tmp_path: Path
) -> None:
    """Short leases and frequent sweeps provoke every conflict between them."""
    settings = {"sweep_every_s": 0.5, "republish_after_s": 1, "lease_s": 1, "max_attempts": 50}
    with (
        start_beat(database_url, broker_url, tmp_path, settings=settings),
        start_beat(database_url, broker_url, tmp_path, settings=settings),
        start_worker(database_url, broker_url, tmp_path, settings=settings, concurrency=5),
        start_worker(database_url, broker_url, tmp_path, settings=settings, concurrency=5),
        Client(database_url, broker_url, message_size=8) as client,
    ):
        ids: list[list[uuid.UUID]] = [[], []]

        def submit(thread: int) -> None:
            texts = [f"{n} {TEXT}" for n in range(80)]
            ids[thread] = [receipt.job_id for receipt in client.submit_many(texts)]

        threads = [threading.Thread(target=submit, args=(thread,)) for thread in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        results = client.wait(ids[0] + ids[1], timeout_s=90.0)
        assert len(results) == 160
        assert {(row.state, row.error) for row in results} == {("scored", None)}
        wait_until_scored(engine, 160, 0.0)
