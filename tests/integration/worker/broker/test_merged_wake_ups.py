"""Messages that a channel merges, in this process, on a real Redis."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import redis
from kombu import Connection

from plumbline.queues import KEY_PREFIX, SCORE_TASK
from plumbline_client.message import celery_message, wake_up
from tests.integration.worker.broker.test_channel import SCORE, UNACKED, connected, consuming, drain
from worker.broker.body import read_arguments
from worker.broker.merged_wake_ups import MOST
from worker.broker.unacknowledged import FAILED

MESSAGES = 100
# How many are merged before the worker knows how long a text takes.
FIRST = 2


@pytest.fixture
def keys(broker_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(broker_url) as connection:
        yield connection


@pytest.fixture
def pushed(keys: redis.Redis) -> list[bytes]:
    messages = [wake_up_message() for _ in range(MESSAGES)]
    keys.lpush(KEY_PREFIX + SCORE, *messages)
    return messages


def wake_up_message() -> bytes:
    arguments = wake_up([uuid.uuid4()])
    return celery_message(SCORE_TASK, arguments, SCORE, str(uuid.uuid4())).encode()


def queued(keys: redis.Redis) -> list[bytes]:
    """Return the messages of the list, the next one first."""
    return keys.lrange(KEY_PREFIX + SCORE, 0, -1)[::-1]  # type: ignore[index]


@contextmanager
def receiving(url: str) -> Iterator[tuple[Connection, list[Any]]]:
    """Receive messages, of which the first two were processed at once."""
    received: list[Any] = []
    with connected(url) as connection, consuming(connection, received.append) as consumer:
        drain(connection)
        consumer.channel.lanes.started(received[0].delivery_tag)
        received.pop().ack()
        drain(connection)
        yield connection, received


def test_a_merged_message_is_acknowledged_with_all_that_it_replaces(
    broker_url: str, keys: redis.Redis, pushed: list[bytes]
) -> None:
    with receiving(broker_url) as (connection, received):
        message = received.pop()
        assert len(read_arguments(message.body)["jobs"]) == MOST
        assert keys.hlen(UNACKED) == MOST
        message.ack()
        # The acknowledgement travels with the next take, whose messages return at the end.
        drain(connection)
    assert keys.hlen(UNACKED) == 0
    assert sorted(queued(keys)) == sorted(pushed[FIRST + MOST :])


def test_each_message_returns_as_it_was_if_the_worker_stops(
    broker_url: str, keys: redis.Redis, pushed: list[bytes]
) -> None:
    with receiving(broker_url):
        pass
    assert keys.hlen(UNACKED) == 0
    assert sorted(queued(keys)) == sorted(pushed[FIRST:])


def test_each_message_is_counted_if_the_merged_one_fails_and_is_then_processed_alone(
    broker_url: str, keys: redis.Redis, pushed: list[bytes]
) -> None:
    with receiving(broker_url) as (connection, received):
        message = received.pop()
        message.count_as = FAILED
        message.reject(requeue=True)
        keys.ltrim(KEY_PREFIX + SCORE, 1, 0)
        drain(connection)
        assert len(read_arguments(received[0].body)["jobs"]) == 1
        assert received[0].headers["plumbline_failures"] == 1
    failed = [FAILED.encode() + message for message in pushed[FIRST : FIRST + MOST]]
    assert sorted(queued(keys)) == sorted(failed)


def test_claims_to_all_messages_are_renewed(
    broker_url: str, keys: redis.Redis, pushed: list[bytes]
) -> None:
    with receiving(broker_url) as (_, [message]):
        assert len(message.channel.qos.held()) == MOST
        message.channel.renew()
        assert keys.zcard(KEY_PREFIX + "unacked_index") == MOST
        message.ack()
