"""The way to Redis: publish wake-ups, ask how many wait."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast
from urllib.parse import urlsplit, urlunsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from plumbline.envelope import envelope
from plumbline.errors import BrokerUnavailable
from plumbline.messages import BULK_QUEUE, KEY_PREFIX, SCORE_QUEUE, TASK, queue_for, wake_up

CONNECT_TIMEOUT_S = 5.0
ANSWER_TIMEOUT_S = 5.0


class Publisher:
    """Sends tasks. Each call either hands the message to Redis or raises `BrokerUnavailable`.

    Threads may share it. Raises `BrokerUnavailable` for a URL that cannot be read, too.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        with unavailable_if_down(url):
            self._redis = _redis(url)

    def wake(self, ids: Sequence[uuid.UUID]) -> None:
        """Publish one message that wakes a worker for these jobs."""
        self.send(TASK, wake_up(ids), queue_for(len(ids)))

    def send(
        self, task: str, arguments: dict[str, Any], queue: str, task_id: str | None = None
    ) -> None:
        message = envelope(task, arguments, queue, task_id or str(uuid.uuid4()))
        with unavailable_if_down(self._url):
            self._redis.lpush(KEY_PREFIX + queue, message)

    def close(self) -> None:
        self._redis.close()

    def __enter__(self) -> Publisher:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def queue_depth(url: str, *queues: str) -> int:
    """Messages (not texts) that wait in these queues, by default in both that carry texts."""
    with unavailable_if_down(url), _redis(url) as connection:
        return sum(
            cast(int, connection.llen(KEY_PREFIX + queue))
            for queue in queues or (SCORE_QUEUE, BULK_QUEUE)
        )


def ping(url: str) -> None:
    """Raise `BrokerUnavailable` unless Redis answers."""
    with unavailable_if_down(url), _redis(url) as connection:
        connection.ping()


def must_take_messages(url: str) -> None:
    """Raise `BrokerUnavailable` unless Redis answers and has room for one more key."""
    with unavailable_if_down(url), _redis(url) as connection:
        connection.set(KEY_PREFIX + "probe", "", px=1)


@contextmanager
def unavailable_if_down(url: str, *also: type[Exception]) -> Iterator[None]:
    """Turn what Redis does not do, or errors of the kinds of `also`, into one sentence."""
    kinds: tuple[type[Exception], ...] = (redis.RedisError, ValueError, OSError, *also)
    try:
        yield
    except kinds as error:
        reason = (str(error).strip().splitlines() or ["no reason given"])[0].rstrip(".")
        what = "refuses" if isinstance(error, redis.ResponseError) else "cannot be reached"
        raise BrokerUnavailable(f"Redis at {masked(url)} {what}: {reason}.") from error


def masked(url: str) -> str:
    """The URL with its password as stars."""
    try:
        parts = urlsplit(url)
    except ValueError:
        # Where the password stands in it, nobody can say.
        return "the URL given"
    if not parts.password:
        return url
    user_info, _, host = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{user_info.split(':')[0]}:***@{host}"))


def _redis(url: str) -> redis.Redis:
    """Gives up at once: whoever asks waits, and a push that is tried again may be there twice."""
    return redis.Redis.from_url(
        url,
        socket_connect_timeout=CONNECT_TIMEOUT_S,
        socket_timeout=ANSWER_TIMEOUT_S,
        socket_keepalive=True,
        retry=Retry(NoBackoff(), 0),
    )
