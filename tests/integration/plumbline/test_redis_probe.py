"""The probe's own connection to Redis behaves like redis-py's."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import redis

from plumbline import heartbeat
from plumbline.heartbeat import WorkerStatus
from plumbline.redis_probe import open_probe
from plumbline_client.broker import connect_redis, translate_redis_errors
from plumbline_client.errors import BrokerRefuses, BrokerUnavailable


@contextmanager
def server_that_answers(answer: bytes) -> Iterator[str]:
    """Serve one connection: read a command, send `answer`, and close."""

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}/0"
        thread.join()


def survey(url: str) -> heartbeat.Survey:
    with open_probe(url) as connection:
        return heartbeat.survey(connection)


def test_a_probe_reads_the_heartbeats_that_redis_py_reads(broker_url: str) -> None:
    with redis.Redis.from_url(broker_url) as keys:
        heartbeat.send(keys, WorkerStatus.SCORING, "wörker 1")
        heartbeat.send(keys, WorkerStatus.BEAT, "beat")
        expected = heartbeat.survey(keys)
    measured = survey(broker_url)
    assert len(measured.heartbeats) == 2
    assert measured.heartbeats == expected.heartbeats
    assert abs(measured.clock_ahead_s) < 60


def test_a_probe_reads_the_database_of_the_url(broker_url: str) -> None:
    with redis.Redis.from_url(broker_url) as keys:
        heartbeat.send(keys, WorkerStatus.BEAT, "beat")
    other = f"{broker_url.rpartition('/')[0]}/1"
    assert survey(broker_url).heartbeats
    assert not survey(other).heartbeats


@pytest.mark.parametrize("login", ["nobody:wrong", "blind:+pw", ":wrong"])
def test_a_refusal_is_the_sentence_of_every_other_command(broker_url: str, login: str) -> None:
    url = f"redis://{login}@{broker_url.rpartition('@')[2].removeprefix('redis://')}"
    with redis.Redis.from_url(broker_url) as keys:
        keys.acl_setuser("blind", enabled=True, passwords=["+pw"], commands=["+ping", "+select"])
        try:
            with pytest.raises(BrokerRefuses) as usual, translate_redis_errors(url):
                heartbeat.survey(connect_redis(url))
            with pytest.raises(BrokerRefuses) as refused:
                survey(url)
        finally:
            keys.acl_deluser("blind")
    assert str(refused.value) == str(usual.value)
    assert "pw" not in str(refused.value) and "wrong" not in str(refused.value)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"", "the connection was closed"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "Protocol error"),
    ],
)
def test_a_server_that_is_not_redis_cannot_be_reached(answer: bytes, reason: str) -> None:
    with (
        server_that_answers(answer) as url,
        pytest.raises(BrokerUnavailable, match=f"cannot be reached: {reason}"),
    ):
        survey(url)


def test_a_closed_port_and_a_missing_socket_cannot_be_reached() -> None:
    for url, reason in (
        ("redis://:secret@127.0.0.1:1/0", "Connection refused"),
        ("unix:///nowhere/redis.sock?db=0", "No such file or directory"),
    ):
        with pytest.raises(BrokerUnavailable, match=f"cannot be reached: {reason}") as raised:
            survey(url)
        assert "secret" not in str(raised.value)
