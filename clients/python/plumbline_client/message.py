"""Celery messages as Redis stores them: protocol version 2, as kombu's Redis transport writes it.

https://docs.celeryq.dev/en/stable/internals/protocol.html. Publishing through Celery costs more
than the rest of a submission; workers read both kinds of message alike.
"""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

# Version of the arguments of the scoring task (docs/message-v1.schema.json).
VERSION = 1
# Callbacks and workflows that a Celery message can embed; ours has none.
EMBEDDED: dict[str, Any] = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
PERSISTENT = 2
# Of a wake-up that a worker must not merge with others.
ALONE_HEADER = "plumbline_alone"
NO_HEADERS: Mapping[str, Any] = {}


def wake_up(ids: Sequence[uuid.UUID]) -> dict[str, Any]:
    """Return the task arguments that make a worker score jobs already in the ledger."""
    return {"version": VERSION, "jobs": [{"id": str(job)} for job in ids]}


def celery_message(
    task: str,
    arguments: dict[str, Any],
    queue: str,
    task_id: str,
    headers: Mapping[str, Any] = NO_HEADERS,
) -> str:
    """Return the message to push onto the Redis list of `queue`.

    `headers` are added to Celery's own; a task finds them in its request.
    """
    body = json.dumps([[], arguments, EMBEDDED]).encode()
    return json.dumps(
        {
            "body": base64.b64encode(body).decode(),
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": {
                "lang": "py",
                "task": task,
                "id": task_id,
                "root_id": task_id,
                **headers,
            },
            "properties": {
                "correlation_id": task_id,
                "delivery_mode": PERSISTENT,
                "delivery_info": {"exchange": "", "routing_key": queue},
                "priority": 0,
                "body_encoding": "base64",
                # The worker's transport records unacknowledged messages under this tag.
                "delivery_tag": str(uuid.uuid4()),
            },
        }
    )
