"""The way to Redis: publish wake-ups, ask how many wait."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast
from urllib.parse import urlsplit, urlunsplit

import redis
from celery import Celery
from kombu import Connection
from kombu.exceptions import OperationalError

from plumbline.errors import BrokerUnavailable
from plumbline.messages import BULK_QUEUE, KEY_PREFIX, SCORE_QUEUE, TASK, queue_for, wake_up
from plumbline.transport import Transport

# How long a worker may hold a message before Redis gives it to another as well. A message may take
# longer than this: the other finds in the ledger that its texts are held, and changes nothing.
VISIBILITY_TIMEOUT_S = 300
CONNECT_TIMEOUT_S = 5.0
ANSWER_TIMEOUT_S = 5.0
# What Celery does with each message and nobody needs: its arguments written out once more, for
# whoever looks at the queue, and the queue declared, which a Redis list does without.
LEAN = {"argsrepr": "()", "kwargsrepr": "{}", "declare": []}
ONE_TRY = {"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0}


def broker_config(url: str) -> dict[str, Any]:
    """Celery's settings for the broker, the same in producers and workers."""
    return {
        "broker_url": url,
        "broker_transport_options": {
            "global_keyprefix": KEY_PREFIX,
            "visibility_timeout": VISIBILITY_TIMEOUT_S,
            "socket_connect_timeout": CONNECT_TIMEOUT_S,
            "socket_keepalive": True,
        },
        # Celery looks in all three places, and the shortest counts.
        "visibility_timeout": VISIBILITY_TIMEOUT_S,
        "result_backend_transport_options": {"visibility_timeout": VISIBILITY_TIMEOUT_S},
        "task_serializer": "json",
        "accept_content": ["json"],
        "task_ignore_result": True,
        "task_default_queue": SCORE_QUEUE,
        "task_create_missing_queues": True,
        "enable_utc": True,
        "timezone": "UTC",
    }


class Producer(Celery):  # type: ignore[misc]
    """A Celery app that only sends, through our transport, which no URL can name."""

    def connection_for_write(self, url: str | None = None, **options: Any) -> Connection:
        connection = super().connection_for_write(url, **options)
        connection.transport_cls = Transport
        return connection


class Publisher:
    """Sends tasks. Each call either hands the message to Redis or raises `BrokerUnavailable`."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._app = Producer("plumbline.client", set_as_current=False)
        self._app.conf.update(broker_config(url))
        # A caller waits for this: a Redis that is gone or hangs must be given up on, and only once.
        self._app.conf.broker_transport_options |= {"socket_timeout": ANSWER_TIMEOUT_S} | ONE_TRY

    def wake(self, ids: Sequence[uuid.UUID]) -> None:
        """Publish one message that wakes a worker for these jobs."""
        self.send(TASK, wake_up(ids), queue_for(len(ids)))

    def send(
        self, task: str, arguments: dict[str, Any], queue: str, task_id: str | None = None
    ) -> None:
        with unavailable_if_down(self._url):
            self._app.send_task(
                task, kwargs=arguments, queue=queue, task_id=task_id, retry=False, **LEAN
            )

    def workers(self, timeout_s: float = 1.0) -> list[str]:
        """The names of the workers that answer within `timeout_s`; none is no error."""
        with unavailable_if_down(self._url):
            answers = self._app.control.ping(timeout=timeout_s)
        return sorted(name for answer in answers for name in answer)

    def close(self) -> None:
        self._app.close()


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
def unavailable_if_down(url: str) -> Iterator[None]:
    try:
        yield
    except (OperationalError, redis.RedisError, ValueError, OSError) as error:
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
    return redis.Redis.from_url(
        url, socket_connect_timeout=CONNECT_TIMEOUT_S, socket_timeout=CONNECT_TIMEOUT_S
    )
