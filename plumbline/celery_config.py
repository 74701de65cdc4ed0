"""Celery's broker settings, and which workers respond to a ping."""

from __future__ import annotations

from typing import Any

from celery import Celery
from kombu.exceptions import OperationalError

from plumbline.queues import KEY_PREFIX, SCORE_QUEUE
from plumbline_client.broker import CONNECT_TIMEOUT_S, RESPONSE_TIMEOUT_S, translate_redis_errors

# How long a worker may hold a message before Redis also gives it to another worker. A message may
# take longer: the other worker finds its texts leased in the ledger and changes nothing.
VISIBILITY_TIMEOUT_S = 300
# How long a worker waits for a response before it reconnects. Without it, a worker would wait for
# ever for a Redis that vanished from the network without closing the connection.
SOCKET_TIMEOUT_S = 30.0
ONE_TRY = {"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0}


def broker_config(url: str) -> dict[str, Any]:
    """Return Celery's settings for the broker."""
    return {
        "broker_url": url,
        "broker_transport_options": {
            "global_keyprefix": KEY_PREFIX,
            "visibility_timeout": VISIBILITY_TIMEOUT_S,
            "socket_connect_timeout": CONNECT_TIMEOUT_S,
            "socket_timeout": SOCKET_TIMEOUT_S,
            "socket_keepalive": True,
            # Look for messages of dead workers every 10 s, not only on every tenth of these checks.
            "unacked_restore_throttle": 1,
        },
        # Celery reads all three settings, and the shortest timeout applies.
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


def responding_workers(url: str, timeout_s: float = 1.0) -> list[str]:
    """Return the names of the workers that respond within `timeout_s`.

    Raises `BrokerUnavailable`.
    """
    # The caller waits, so an unavailable Redis is tried only once.
    one_short_try = {"socket_timeout": RESPONSE_TIMEOUT_S} | ONE_TRY
    with Celery("plumbline.ping", set_as_current=False) as app:
        app.conf.update(broker_config(url))
        app.conf.broker_transport_options |= one_short_try
        with translate_redis_errors(url, OperationalError):
            responses = app.control.ping(timeout=timeout_s)
    return sorted(name for response in responses for name in response)
