"""Servers that go and come back under load: workers go on by themselves, and nothing is lost."""

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

from plumbline.settings import Settings
from plumbline_client import Client
from storage import migrate
from storage.database import connect
from tests import poison
from tests.proxy import proxy
from tests.servers import postgres_server, redis_server
from tests.waiting import eventually
from tests.workers import Worker, beat, worker

AWAY_S = 5.0
EXIT_WITHIN_S = 10.0
SETTINGS = {"sweep_every_s": 1, "republish_after_s": 5, "lease_s": 3, "max_attempts": 10}
TEXT = "Your parcel waits at the depot until noon. " * 20


def until_scored(engine: Engine, texts: int, timeout_s: float = 60.0) -> None:
    counted = text("SELECT count(*) FROM plumbline.predictions")

    def scored() -> bool:
        with engine.connect() as connection:
            return bool(connection.execute(counted).scalar_one() >= texts)

    eventually(scored, timeout_s, f"{texts} texts are not scored within {timeout_s:g} s")


@contextmanager
def fleet(database_url: str, broker_url: str, folder: Path) -> Iterator[list[Worker]]:
    """Two workers and a beat, none of which may die."""
    with (
        beat(database_url, broker_url, folder, settings=SETTINGS) as clock,
        worker(database_url, broker_url, folder, settings=SETTINGS, concurrency=1) as first,
        worker(database_url, broker_url, folder, settings=SETTINGS, concurrency=1) as second,
    ):
        yield [clock, first, second]
        assert [found.process.poll() for found in (clock, first, second)] == [None] * 3


def test_redis_away_under_load(database_url: str, engine: Engine, tmp_path: Path) -> None:
    servers = redis_server(tmp_path / "redis")
    url = servers.__enter__()
    with (
        # The outermost, so that the workers drain while Redis is there.
        ExitStack() as back,
        fleet(database_url, url, tmp_path),
        Client(database_url, url, settings=Settings(message_size=4)) as client,
    ):
        ids = [receipt.job_id for receipt in client.submit_many([TEXT] * 200)]
        until_scored(engine, 40)
        servers.__exit__(None, None, None)
        away_until = time.monotonic() + AWAY_S
        # Accepted all the same, to be published when it is back.
        ids += [receipt.job_id for receipt in client.submit_many(["meanwhile"] * 8)]
        eventually(lambda: time.monotonic() > away_until)
        back.enter_context(redis_server(tmp_path / "redis"))
        results = client.wait(ids, timeout_s=90.0)
        assert {row.state for row in results} == {"scored"}
        until_scored(engine, len(ids), 0.0)


def test_a_redis_that_vanished_without_a_word_is_given_up_on(
    database_url: str, broker_url: str, tmp_path: Path
) -> None:
    """Its connections neither answer nor end; what it sent on them comes again by the sweeper."""
    options: dict[str, Any] = {"settings": SETTINGS, "app": "tests.hasty_app", "concurrency": 1}
    with (
        proxy(broker_url) as way,
        beat(database_url, way.url, tmp_path, settings=SETTINGS, app="tests.hasty_app"),
        worker(database_url, way.url, tmp_path, **options) as found,
        Client(database_url, broker_url) as client,
    ):
        assert client.wait([client.submit("before").job_id])[0].state == "scored"
        way.silence()
        assert client.wait([client.submit("after").job_id])[0].state == "scored"
        assert found.process.poll() is None


def test_a_worker_told_to_stop_while_redis_hangs_is_gone_within_10_s(
    database_url: str, engine: Engine, tmp_path: Path
) -> None:
    with redis_server(tmp_path / "redis") as url:
        server = psutil.Process(_pid_of_redis(url))
        with (
            Client(database_url, url) as client,
            worker(database_url, url, tmp_path, app="tests.poison_app", concurrency=1) as found,
        ):
            list(client.submit_many(f"{poison.SLOW}1 number {n}" for n in range(30)))
            found.until_leased(engine, 30)
            found.until_logged("a slow text is begun")
            children = found.children()
            server.suspend()
            started = time.monotonic()
            found.drain()
            took_s = time.monotonic() - started
            server.resume()
        assert took_s < EXIT_WITHIN_S
        eventually(lambda: not any(_runs(pid) for pid in children), 5.0, "a child is left")
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT state, attempts FROM plumbline.jobs")).all()
    assert set(rows) == {("scored", 1), ("queued", 0)}


def _runs(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _pid_of_redis(url: str) -> int:
    with redis.Redis.from_url(url) as keys:
        return int(keys.info("server")["process_id"])


def test_short_blips_of_redis_stall_nobody(
    database_url: str, broker_url: str, engine: Engine, tmp_path: Path
) -> None:
    """Connections cut again and again, as reported to have stalled workers (celery issue 10302)."""
    with (
        redis.Redis.from_url(broker_url) as keys,
        fleet(database_url, broker_url, tmp_path) as processes,
        Client(database_url, broker_url, settings=Settings(message_size=4)) as client,
    ):
        for blip in range(1, 5):
            jobs = [receipt.job_id for receipt in client.submit_many([TEXT] * 20)]
            until_scored(engine, (blip - 1) * 20 + 4)
            for kind in ("normal", "pubsub"):
                keys.client_kill_filter(_type=kind, skipme=True)
            results = client.wait(jobs, timeout_s=30.0)
            assert {row.state for row in results} == {"scored"}
        # Both go on, not one for the other: each is asked for something of its own.
        for found in processes[1:]:
            count = found.log().count(" 1 scored")
            while found.log().count(" 1 scored") == count:
                client.wait([client.submit("one").job_id], timeout_s=30.0)


def test_postgres_away_under_load(broker_url: str, tmp_path: Path) -> None:
    servers = postgres_server(tmp_path / "postgres")
    url = servers.__enter__()
    engine = connect(url)
    migrate.upgrade(engine)
    with (
        ExitStack() as back,
        fleet(url, broker_url, tmp_path),
        Client(url, broker_url, settings=Settings(message_size=4)) as client,
    ):
        ids = [receipt.job_id for receipt in client.submit_many([TEXT] * 200)]
        until_scored(engine, 40)
        engine.dispose()
        servers.__exit__(None, None, None)
        away_until = time.monotonic() + AWAY_S
        eventually(lambda: time.monotonic() > away_until)
        back.enter_context(postgres_server(tmp_path / "postgres"))
        back.callback(engine.dispose)
        results = client.wait(ids, timeout_s=90.0)
        assert {row.state for row in results} == {"scored"}
        until_scored(engine, len(ids), 0.0)


def test_two_of_everything_and_ten_workers_give_the_same_result(
    database_url: str, broker_url: str, engine: Engine, tmp_path: Path
) -> None:
    """Short leases and a sweep every moment, so that whoever could tread on another does."""
    hasty = {"sweep_every_s": 0.5, "republish_after_s": 1, "lease_s": 1, "max_attempts": 50}
    with (
        beat(database_url, broker_url, tmp_path, settings=hasty),
        beat(database_url, broker_url, tmp_path, settings=hasty),
        worker(database_url, broker_url, tmp_path, settings=hasty, concurrency=5),
        worker(database_url, broker_url, tmp_path, settings=hasty, concurrency=5),
        Client(database_url, broker_url, settings=Settings(message_size=8)) as client,
    ):
        ids: list[list[uuid.UUID]] = [[], []]

        def submit(place: int) -> None:
            texts = [f"{n} {TEXT}" for n in range(80)]
            ids[place] = [receipt.job_id for receipt in client.submit_many(texts)]

        threads = [threading.Thread(target=submit, args=(place,)) for place in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        results = client.wait(ids[0] + ids[1], timeout_s=90.0)
        assert len(results) == 160
        assert {(row.state, row.error) for row in results} == {("scored", None)}
        until_scored(engine, 160, 0.0)
