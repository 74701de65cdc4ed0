"""Messages as other Celery programs send them, which know only the documented message schema."""

from __future__ import annotations

import base64
import uuid
from typing import Any

from celery import Celery

from plumbline.queues import KEY_PREFIX, SCORE_QUEUE, SCORE_TASK

Envelope = dict[str, Any]


def bare_producer(broker_url: str) -> Celery:
    """Return a Celery app that shares no code with Plumbline."""
    app = Celery("producer", broker=broker_url, set_as_current=False)
    app.conf.broker_transport_options = {"global_keyprefix": KEY_PREFIX}
    return app


def envelope(task_id: str, body: bytes, queue: str = SCORE_QUEUE, **headers: Any) -> Envelope:
    """Return what kombu writes to a Redis list for a task of Celery's protocol 2."""
    return {
        "body": base64.b64encode(body).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {"lang": "py", "task": SCORE_TASK, "id": task_id, "root_id": task_id}
        | dict.fromkeys(["parent_id", "group", "eta", "expires"])
        | {"retries": 0, "timelimit": [None, None], "argsrepr": "()", "kwargsrepr": "{}"}
        | headers,
        "properties": {
            "correlation_id": task_id,
            "delivery_mode": 2,
            "delivery_info": {"exchange": queue, "routing_key": queue},
            "priority": 0,
            "body_encoding": "base64",
            "delivery_tag": str(uuid.uuid4()),
        },
    }


def send(producer: Celery, arguments: dict[str, Any], **options: Any) -> str:
    """Send a scoring message; return its id."""
    sent = producer.send_task(
        SCORE_TASK, kwargs=arguments, queue=SCORE_QUEUE, ignore_result=True, **options
    )
    return str(sent.id)
