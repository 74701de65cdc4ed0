"""Channels of the transport, in this process, on a real Redis."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import redis
from kombu import Connection, Consumer, Exchange, Queue
from kombu.transport import redis as kombu_redis
from kombu.transport import virtual

from plumbline.celery_config import broker_config
from plumbline.queues import KEY_PREFIX
from tests.celery_producer import envelope
from worker.broker.channel import Channel
from worker.broker.transport import Transport
from worker.broker.unacknowledged import FAILED, LOST_AFTER_S

UNACKED, INDEX = KEY_PREFIX + "unacked", KEY_PREFIX + "unacked_index"
SCORE, BULK = "plumbline.score", "plumbline.bulk"


class Death(BaseException):
    """The process ends here."""


@pytest.fixture
def keys(broker_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(broker_url) as connection:
        yield connection


@contextmanager
def connected(url: str, transport: type = Transport) -> Iterator[Connection]:
    options = broker_config(url)["broker_transport_options"]
    with Connection(url, transport=transport, transport_options=options) as connection:
        yield connection


def queue(name: str) -> Queue:
    return Queue(name, Exchange(name, type="direct"), routing_key=name)


@contextmanager
def consuming(
    connection: Connection, receive: Callable[[Any], Any], *names: str, prefetch: int = 1
) -> Iterator[Consumer]:
    with Consumer(
        connection,
        [queue(name) for name in names or (SCORE,)],
        on_message=receive,
        prefetch_count=prefetch,
        accept=["json"],
    ) as consumer:
        yield consumer


def push(keys: redis.Redis, task_id: str, queue_name: str = SCORE) -> bytes:
    message = json.dumps(envelope(task_id, b"[[], {}, {}]", queue_name)).encode()
    keys.lpush(KEY_PREFIX + queue_name, message)
    return message


def drain(connection: Connection, timeout: float = 2.0) -> None:
    connection.drain_events(timeout=timeout)


def test_kombu_loses_a_message_if_the_process_dies_between_its_two_steps(
    broker_url: str, keys: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reason for this transport: the message is in neither place."""

    def die(*_: Any) -> None:
        raise Death

    monkeypatch.setattr(kombu_redis.QoS, "append", die)
    push(keys, "lost")
    with connected(broker_url, kombu_redis.Transport) as connection:
        consumer = consuming(connection, lambda message: message.ack())
        consumer.__enter__()
        with pytest.raises(Death):
            drain(connection)
        assert keys.llen(KEY_PREFIX + SCORE) == 0 and keys.hlen(UNACKED) == 0


@pytest.mark.parametrize("dies_in", ["Channel._deliver", "QoS.append"])
def test_a_message_returns_if_the_process_dies_after_it_took_it(
    broker_url: str, keys: redis.Redis, monkeypatch: pytest.MonkeyPatch, dies_in: str
) -> None:
    received: list[str] = []
    original = push(keys, "kept")
    with connected(broker_url) as connection:
        with monkeypatch.context() as patch:

            def die(*_: Any) -> None:
                raise Death

            patch.setattr(
                *{
                    "Channel._deliver": (Channel, "_deliver"),
                    "QoS.append": (virtual.QoS, "append"),
                }[dies_in],
                die,
            )
            # Never left, so that nothing is cleaned up.
            consumer = consuming(connection, lambda message: None)
            consumer.__enter__()
            with pytest.raises(Death):
                drain(connection)
        assert keys.llen(KEY_PREFIX + SCORE) == 0
        (tag,) = keys.zrange(INDEX, 0, -1)  # type: ignore[misc]
        keys.zincrby(INDEX, -LOST_AFTER_S - 1, tag)
        with (
            connected(broker_url) as survivor,
            consuming(survivor, lambda message: received.append(message.headers["id"])),
        ):
            drain(survivor)
            assert received == ["kept"]
        # Closing the channel has returned it; the blank counts the death, not the closing.
        assert keys.lrange(KEY_PREFIX + SCORE, 0, -1) == [FAILED.encode() + original]
        assert keys.hlen(UNACKED) == 0


def test_messages_are_read_in_the_strict_order_and_by_priority(
    broker_url: str, keys: redis.Redis
) -> None:
    received: list[str] = []

    def receive(message: Any) -> None:
        received.append(message.headers["id"])
        message.ack()

    with connected(broker_url) as connection, connection.Producer() as producer:
        for name, priority in [(BULK, 0), (SCORE, 9), (BULK, 3), (SCORE, 0)]:
            producer.publish(
                {},
                routing_key=name,
                exchange=Exchange(name),
                declare=[queue(name)],
                priority=priority,
                headers={"id": f"{name}:{priority}", "task": "plumbline.score"},
            )
        with consuming(connection, receive, BULK, SCORE):
            while len(received) < 4:
                drain(connection)
    assert received == [f"{SCORE}:0", f"{BULK}:0", f"{BULK}:3", f"{SCORE}:9"]
    assert keys.hlen(UNACKED) == keys.zcard(INDEX) == 0


def test_a_prefetch_limit_is_kept_and_a_message_is_received_as_soon_as_it_is_sent(
    broker_url: str, keys: redis.Redis
) -> None:
    received: list[Any] = []
    with connected(broker_url) as connection, consuming(connection, received.append, prefetch=2):
        with pytest.raises(TimeoutError):
            drain(connection, 0.05)
        for number in range(3):
            push(keys, str(number))
        while len(received) < 2:
            drain(connection)
        with pytest.raises(TimeoutError):
            drain(connection, 0.05)
        assert keys.llen(KEY_PREFIX + SCORE) == 1
        received[0].ack()
        while len(received) < 3:
            drain(connection)
        received[1].reject(requeue=True)
        received[2].reject(requeue=False)
        while len(received) < 4:
            drain(connection)
        assert [message.headers["id"] for message in received] == ["0", "1", "2", "1"]


def test_answers_of_redis_pause_a_channel_and_break_nothing(
    broker_url: str, keys: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    received: list[str] = []

    def receive(message: Any) -> None:
        received.append(message.headers["id"])
        message.ack()

    with connected(broker_url) as connection, consuming(connection, receive):
        push(keys, "waiting")
        keys.config_set("min-replicas-to-write", 1)
        try:
            with pytest.raises(TimeoutError):
                drain(connection, 0.3)
            assert received == []
        finally:
            keys.config_set("min-replicas-to-write", 0)
        while not received:
            drain(connection)
    assert "no messages are taken for now: NOREPLICAS Not enough good replicas" in caplog.text
    assert received == ["waiting"] and keys.hlen(UNACKED) == 0


def test_an_acknowledgement_that_redis_refuses_is_repeated(
    broker_url: str, keys: redis.Redis
) -> None:
    received: list[Any] = []
    with connected(broker_url) as connection, consuming(connection, received.append):
        push(keys, "one")
        while not received:
            drain(connection)
        keys.config_set("min-replicas-to-write", 1)
        try:
            received[0].ack()
            with pytest.raises(TimeoutError):
                drain(connection, 0.05)
            assert keys.hlen(UNACKED) == 1
        finally:
            keys.config_set("min-replicas-to-write", 0)
        while keys.hlen(UNACKED):
            with pytest.raises(TimeoutError):
                drain(connection, 0.05)
    assert keys.llen(KEY_PREFIX + SCORE) == 0


def test_an_acknowledgement_after_the_channel_closed_still_counts(
    broker_url: str, keys: redis.Redis
) -> None:
    """Celery restores a connection while processes finish their texts."""
    received: list[Any] = []
    with connected(broker_url) as connection, consuming(connection, received.append):
        push(keys, "one")
        while not received:
            drain(connection)
        keys.config_set("min-replicas-to-write", 1)
        try:
            connection.default_channel.close()
        finally:
            keys.config_set("min-replicas-to-write", 0)
        assert keys.hlen(UNACKED) == 1, "it could not be returned"
        received[0].ack()
    assert keys.hlen(UNACKED) == keys.zcard(INDEX) == keys.llen(KEY_PREFIX + SCORE) == 0


def test_a_full_redis_gives_away_its_messages(broker_url: str, keys: redis.Redis) -> None:
    received: list[str] = []

    def receive(message: Any) -> None:
        received.append(message.headers["id"])
        message.ack()

    for number in range(5):
        push(keys, str(number))
    keys.config_set("maxmemory", "1")
    try:
        # Declaring a queue writes to Redis, which a full one refuses.
        with connected(broker_url) as connection, consuming(connection, receive):
            while len(received) < 5:
                drain(connection)
    finally:
        keys.config_set("maxmemory", "0")
    assert keys.hlen(UNACKED) == 0


def test_a_record_of_an_earlier_release_that_cannot_be_read_is_deleted(
    broker_url: str, keys: redis.Redis
) -> None:
    """kombu would read it again and again, and fail each time."""
    for tag, record in {"a": b"\xff", "b": b"7", "c": b"[]", "d": b'[{}, "x"]'}.items():
        keys.hset(UNACKED, tag, record)
        keys.zadd(INDEX, {tag: 1})
    keys.zadd(INDEX, {"without a record": 1})
    with (
        connected(broker_url) as connection,
        consuming(connection, lambda message: None),
        pytest.raises(TimeoutError),
    ):
        drain(connection, 0.05)
    assert keys.hlen(UNACKED) == keys.zcard(INDEX) == 0


def test_a_message_of_an_earlier_release_returns_although_its_exchange_is_unknown(
    broker_url: str, keys: redis.Redis
) -> None:
    """kombu would delete it."""
    received: list[str] = []
    message = envelope("earlier", b"[[], {}, {}]")
    keys.hset(UNACKED, "kombu-tag", json.dumps([message, "forgotten", SCORE]))
    keys.zadd(INDEX, {"kombu-tag": 1})
    with (
        connected(broker_url) as connection,
        consuming(connection, lambda message: received.append(message.headers["id"])),
    ):
        while not received:
            drain(connection)
    assert received == ["earlier"]


def test_the_previous_transport_returns_what_this_one_holds(
    broker_url: str, keys: redis.Redis
) -> None:
    """After a rollback, workers of the earlier release find the messages of the later one."""
    received: list[str] = []
    push(keys, "one")
    with connected(broker_url) as connection, consuming(connection, lambda message: None):
        while not keys.hlen(UNACKED):
            drain(connection)
        (tag,) = keys.zrange(INDEX, 0, -1)  # type: ignore[misc]
        keys.zadd(INDEX, {tag: 1})
        with (
            connected(broker_url, kombu_redis.Transport) as earlier,
            consuming(earlier, lambda message: received.append(message.headers["id"])),
        ):
            earlier.default_channel.qos.restore_visible()
            while not received:
                drain(earlier)
    assert received == ["one"]


def test_the_internals_of_kombu_that_the_channel_replaces_exist() -> None:
    """Without them, kombu would call something else, and messages could be lost again."""
    for name in (
        "_brpop_start",
        "_queue_bind",
    ):
        assert callable(getattr(kombu_redis.Channel, name))
    for name in ("append", "ack", "reject", "restore_unacked", "restore_visible"):
        assert name in vars(kombu_redis.QoS)
    assert isinstance(vars(kombu_redis.Channel)["active_queues"], property)
    assert {"on_readable", "handle_event", "get"} <= vars(kombu_redis.MultiChannelPoller).keys()
