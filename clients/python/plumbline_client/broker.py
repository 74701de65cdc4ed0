"""Publishing to Redis."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from plumbline_client.broker_answers import refusal, unreachable
from plumbline_client.broker_connection import bound_replies
from plumbline_client.broker_url_parser import parse_broker_url
from plumbline_client.errors import BrokerUnavailable
from plumbline_client.message import ALONE_HEADER, NO_HEADERS, celery_message, wake_up
from plumbline_client.queues import (
    KEY_PREFIX,
    SCORE_TASK,
    bell,
    queue_for,
    queue_of,
)
from plumbline_client.visible import one_line
from plumbline_client.wake_ups import WakeUp

CONNECT_TIMEOUT_S = 5.0
RESPONSE_TIMEOUT_S = 5.0
# Errors with which Redis answers. redis-py counts some of them as lost connections.
ANSWERS = (
    redis.ResponseError,
    redis.exceptions.AuthenticationError,
    redis.exceptions.AuthorizationError,
    redis.exceptions.BusyLoadingError,
)
TOO_MANY_CLIENTS = "max number of clients"
# What Redis puts before the error of a command in a script.
SCRIPT_POSITION = re.compile(r"^(?:ERR )?(?:Error running script.*?: )?(?:@user_script: ?\d+: )+-?")
# A message with the largest number of ids has about 70 kB.
MESSAGES_PER_PUSH = 100


@dataclass(frozen=True, slots=True)
class Unsent:
    """The jobs of messages that could not be sent, and the reason."""

    ids: list[uuid.UUID] = field(default_factory=list)
    reason: str = ""


class Publisher:
    """Publishes tasks. Each call hands the message to Redis or raises `BrokerUnavailable`.

    Threads may share a publisher. A URL that cannot be parsed raises `BrokerUrlInvalid`, which is a
    `BrokerUnavailable`.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        with translate_redis_errors(url):
            self._redis = connect_redis(url)

    def wake(self, ids: Sequence[uuid.UUID], list_name: str | None = None) -> None:
        """Publish one message that makes a worker score these jobs."""
        self._push([_wake_up(WakeUp(ids, list_name or queue_for(len(ids))))])

    def wake_all(self, wake_ups: Sequence[WakeUp]) -> Unsent:
        """Publish messages in order, many in one round trip. Raises nothing."""
        for sent in range(0, len(wake_ups), MESSAGES_PER_PUSH):
            try:
                self._push([_wake_up(wake) for wake in wake_ups[sent : sent + MESSAGES_PER_PUSH]])
            except BrokerUnavailable as error:
                return Unsent([job for wake in wake_ups[sent:] for job in wake.ids], str(error))
        return Unsent()

    def send(
        self, task: str, arguments: dict[str, Any], queue: str, task_id: str | None = None
    ) -> None:
        self._push([(queue, _message(task, arguments, queue, task_id))])

    def _push(self, messages: Sequence[tuple[str, str]]) -> None:
        """Push each message onto its list, then wake the workers that wait for a lane."""
        lanes = {queue_of(name) for name, _ in messages if name != queue_of(name)}
        with translate_redis_errors(self._url):
            try:
                # Not a transaction: a producer may have the right to no other command.
                with self._redis.pipeline(transaction=False) as pipeline:
                    for list_name, message in messages:
                        pipeline.lpush(KEY_PREFIX + list_name, message)
                    for queue in lanes:
                        pipeline.lpush(KEY_PREFIX + bell(queue), "")
                    answers = pipeline.execute(raise_on_error=False)
                # Without a wake-up, a worker still looks into the lanes from time to time.
                for answer in answers[: len(messages)]:
                    if isinstance(answer, Exception):
                        raise answer
            except redis.RedisError:
                # After a failover, the address may lead to another server.
                self._redis.connection_pool.disconnect()
                raise

    def close(self) -> None:
        self._redis.close()

    def __enter__(self) -> Publisher:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _wake_up(wake: WakeUp) -> tuple[str, str]:
    headers = {ALONE_HEADER: True} if wake.alone else NO_HEADERS
    return wake.list_name, _message(SCORE_TASK, wake_up(wake.ids), wake.list_name, headers=headers)


def _message(
    task: str,
    arguments: dict[str, Any],
    list_name: str,
    task_id: str | None = None,
    headers: Mapping[str, Any] = NO_HEADERS,
) -> str:
    queue, message_id = queue_of(list_name), task_id or str(uuid.uuid4())
    return celery_message(task, arguments, queue, message_id, headers)


@contextmanager
def translate_redis_errors(url: str, *also: type[Exception]) -> Iterator[None]:
    """Raise errors of redis-py, and of the types in `also`, as `BrokerUnavailable`."""
    types: tuple[type[Exception], ...] = (redis.RedisError, ValueError, OSError, *also)
    try:
        yield
    except types as error:
        answer = server_answer(error)
        if answer is not None:
            raise refusal(url, answer) from error
        raise unreachable(url, _first_line(error)) from error


def server_answer(error: Exception) -> str | None:
    """Return Redis's answer in its own words; None if it did not answer."""
    words, code = SCRIPT_POSITION.sub("", _first_line(error)), getattr(error, "status_code", None)
    if code is None and not isinstance(error, ANSWERS) and TOO_MANY_CLIENTS not in words:
        return None
    # redis-py removes the code of errors for which it has a class; its parser in C does not.
    if code in (None, "ERR") or words.startswith(code):
        return words.removeprefix("ERR ")
    return f"{code} {words}"


def _first_line(error: Exception) -> str:
    return one_line((str(error).strip().splitlines() or ["no reason given"])[0])


def connect_redis(url: str, timeout_s: float | None = None) -> redis.Redis:
    """Return a connection that never retries, and on which each reply has a time limit.

    The caller waits for it, and a push that is retried may be stored twice.

    Raises BrokerUrlInvalid.
    """
    return bound_replies(
        redis.Redis(
            **parse_broker_url(url).redis_options(),
            socket_connect_timeout=timeout_s or CONNECT_TIMEOUT_S,
            socket_timeout=timeout_s or RESPONSE_TIMEOUT_S,
            socket_keepalive=True,
            retry=Retry(NoBackoff(), 0),
        )
    )
