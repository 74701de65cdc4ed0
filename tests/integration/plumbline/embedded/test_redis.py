"""Redis keeps its data, and starts again after a run that was killed."""

from __future__ import annotations

import time
from pathlib import Path

from redis import Redis

from plumbline.embedded.redis import redis_server
from plumbline.queues import KEY_PREFIX
from tests import embedded_servers
from tests.leftovers import listens

KEY = KEY_PREFIX + "kept"


def write(url: str) -> None:
    with Redis.from_url(url) as connection:
        connection.set(KEY, "yes")


def read(url: str) -> str:
    with Redis.from_url(url, decode_responses=True) as connection:
        return str(connection.get(KEY))


def test_redis_keeps_its_data_and_its_url(tmp_path: Path) -> None:
    embedded_servers.check_data_and_url_are_kept(redis_server, tmp_path, write, read)


def test_redis_of_a_killed_run_is_stopped(tmp_path: Path) -> None:
    embedded_servers.check_server_of_a_killed_run_is_stopped(redis_server, tmp_path, write, read)


def test_a_redis_that_is_killed_has_everything_that_it_answered(tmp_path: Path) -> None:
    """With `appendfsync everysec`, it would answer before it writes while an fsync is running."""
    sent = 0
    with redis_server(tmp_path / "redis") as server, Redis.from_url(server.url) as connection:
        written_until = time.monotonic() + 1.2  # an fsync begins every second
        while time.monotonic() < written_until:
            sent = connection.lpush(KEY, "x" * 20_000)
        server.process.kill()
        server.process.wait()
    with redis_server(tmp_path / "redis") as server, Redis.from_url(server.url) as connection:
        assert connection.llen(KEY) == sent


def test_port_that_is_taken_is_not_used(tmp_path: Path) -> None:
    with redis_server(tmp_path / "one") as one:
        (tmp_path / "two").mkdir()
        (tmp_path / "two" / "port").write_text(one.url.rpartition(":")[2].removesuffix("/0"))
        with redis_server(tmp_path / "two") as two:
            assert two.url != one.url
            assert listens(one.url)
            assert listens(two.url)
