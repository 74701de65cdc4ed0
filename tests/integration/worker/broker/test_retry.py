"""Messages that are retried while PostgreSQL is unavailable, with real workers."""

from __future__ import annotations

from pathlib import Path

import redis

from plumbline_client import Client
from storage import migrate
from storage.database import connect
from tests.celery_producer import bare_producer, send
from tests.servers import postgres_server, redis_server
from tests.waiting import eventually
from tests.workers import start_worker

MESSAGE = {"version": 1, "source": "bare", "jobs": [{"text": "retried"}]}


def wait_for_scored(client: Client) -> list[str | None]:
    """Return the texts of the message once they are scored."""
    return eventually(
        lambda: [row.text for row in client.results(source="bare") if row.state == "scored"],
        otherwise="the message is not scored",
    )


def test_a_bare_message_is_retried_while_postgresql_is_unavailable(
    broker_url: str, tmp_path: Path
) -> None:
    with postgres_server(tmp_path / "postgres") as url:
        engine = connect(url)
        migrate.upgrade(engine)
        engine.dispose()
        context = start_worker(url, broker_url, tmp_path, concurrency=1)
        worker = context.__enter__()
    with bare_producer(broker_url) as producer:
        sent = send(producer, MESSAGE)
        worker.wait_for_log(f"message {sent} will be retried: PostgreSQL at", times=2)
        with postgres_server(tmp_path / "postgres"), Client(url, broker_url) as client:
            assert wait_for_scored(client) == ["retried"]
            context.__exit__(None, None, None)
    assert "Traceback" not in worker.log()


def test_a_bare_message_survives_if_redis_cannot_requeue_it(tmp_path: Path) -> None:
    """Celery itself would drop the message if it cannot send the retry."""
    retried = "will be retried: PostgreSQL at"
    with redis_server(tmp_path / "redis") as broker_url, redis.Redis.from_url(broker_url) as keys:
        with postgres_server(tmp_path / "postgres") as url:
            engine = connect(url)
            migrate.upgrade(engine)
            engine.dispose()
            context = start_worker(url, broker_url, tmp_path, concurrency=1)
            worker = context.__enter__()
        with bare_producer(broker_url) as producer:
            send(producer, MESSAGE)
        worker.wait_for_log(retried)
        keys.config_set("maxmemory", "1")
        retries = worker.log().count(retried)
        worker.wait_for_log(retried, times=retries + 3)
        with postgres_server(tmp_path / "postgres"), Client(url, broker_url) as client:
            assert wait_for_scored(client) == ["retried"]
            keys.config_set("maxmemory", "0")
            context.__exit__(None, None, None)
