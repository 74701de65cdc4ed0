"""Celery's broker settings."""

from __future__ import annotations

from typing import Any

from plumbline.queues import KEY_PREFIX, SCORE_QUEUE
from plumbline_client.broker import CONNECT_TIMEOUT_S
from plumbline_client.broker_url_parser import parse_broker_url

# How long a worker may hold a message before Redis also gives it to another worker. A message may
# take longer: the other worker finds its texts leased in the ledger and changes nothing.
VISIBILITY_TIMEOUT_S = 300
# How long a worker waits for a response before it reconnects. Without it, a worker would wait for
# ever for a Redis that vanished from the network without closing the connection.
SOCKET_TIMEOUT_S = 30.0


def broker_config(url: str) -> dict[str, Any]:
    """Return Celery's settings for the broker. Raises BrokerUrlInvalid."""
    broker = parse_broker_url(url)
    return {
        "broker_url": broker.celery_url(),
        # kombu verifies no certificate by default.
        "broker_use_ssl": dict(broker.tls) if broker.tls else False,
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
