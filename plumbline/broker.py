"""What Celery is told about Redis, and what it can tell: which workers answer."""

from __future__ import annotations

from typing import Any

from celery import Celery
from kombu.exceptions import OperationalError

from plumbline.messages import KEY_PREFIX, SCORE_QUEUE
from plumbline.publisher import ANSWER_TIMEOUT_S, CONNECT_TIMEOUT_S, unavailable_if_down

# How long a worker may hold a message before Redis gives it to another as well. A message may take
# longer than this: the other finds in the ledger that its texts are held, and changes nothing.
VISIBILITY_TIMEOUT_S = 300
# How long a worker waits for an answer before it connects anew. For a Redis that vanished from the
# network without a word it would otherwise wait without end.
PATIENCE_S = 30.0
ONE_TRY = {"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0}


def broker_config(url: str) -> dict[str, Any]:
    """Celery's settings for the broker."""
    return {
        "broker_url": url,
        "broker_transport_options": {
            "global_keyprefix": KEY_PREFIX,
            "visibility_timeout": VISIBILITY_TIMEOUT_S,
            "socket_connect_timeout": CONNECT_TIMEOUT_S,
            "socket_timeout": PATIENCE_S,
            "socket_keepalive": True,
            # Look for what dead workers hold every 10 s, not at every tenth of these times.
            "unacked_restore_throttle": 1,
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


def answering(url: str, timeout_s: float = 1.0) -> list[str]:
    """The names of the workers that answer within `timeout_s`; none is no error.

    Raises `BrokerUnavailable`.
    """
    # The caller waits: a Redis that is gone or hangs must be given up on, and only once.
    impatient = {"socket_timeout": ANSWER_TIMEOUT_S} | ONE_TRY
    with Celery("plumbline.roll_call", set_as_current=False) as app:
        app.conf.update(broker_config(url))
        app.conf.broker_transport_options |= impatient
        with unavailable_if_down(url, OperationalError):
            answers = app.control.ping(timeout=timeout_s)
    return sorted(name for answer in answers for name in answer)
