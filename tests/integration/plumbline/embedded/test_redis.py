"""Redis keeps its data, and starts again after a run that was killed."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import RedisError

from plumbline.embedded.child_process import free_port
from plumbline.embedded.errors import EmbeddedFailed
from plumbline.embedded.redis import redis_server
from plumbline.queues import KEY_PREFIX
from tests import embedded_servers
from tests.leftovers import listens
from tests.resp import encoded

KEY = KEY_PREFIX + "kept"


def write(url: str) -> None:
    with Redis.from_url(url) as connection:
        connection.lpush(KEY, "yes")


def read(url: str) -> str:
    with Redis.from_url(url, decode_responses=True) as connection:
        return str(connection.lrange(KEY, 0, 0)[0])


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


def test_a_folder_of_an_earlier_release_keeps_its_data(tmp_path: Path) -> None:
    """It has one password, and the data of Redis 6.2 in the folder itself."""
    folder = tmp_path / "redis"
    folder.mkdir(mode=0o700)
    command = encoded(b"LPUSH", KEY.encode(), b"yes")
    (folder / "appendonly.aof").write_bytes(encoded(b"SELECT", b"0") + command)
    (folder / "password").write_text("old")
    port = free_port(None)
    (folder / "port").write_text(str(port))
    for _ in range(2):
        with redis_server(folder) as server:
            assert f":{port}/" in server.url
            assert read(server.url) == "yes"
            with Redis(port=port, password="old") as earlier, pytest.raises(RedisError):
                earlier.ping()
    assert not (folder / "password").exists()
    assert not (folder / "appendonly.aof").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start as another user")
def test_folder_of_another_user_is_refused_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "redis" / "data").mkdir(parents=True)
    os.chown(tmp_path / "redis" / "data", 12_345, 12_345)
    with pytest.raises(EmbeddedFailed, match="was started by another user: run as that user"):
        redis_server(tmp_path / "redis").__enter__()


def test_port_that_is_taken_is_not_used(tmp_path: Path) -> None:
    with redis_server(tmp_path / "one") as one:
        (tmp_path / "two").mkdir()
        (tmp_path / "two" / "port").write_text(one.url.rpartition(":")[2].removesuffix("/0"))
        with redis_server(tmp_path / "two") as two:
            assert two.url != one.url
            assert listens(one.url)
            assert listens(two.url)
