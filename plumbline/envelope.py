"""A task as it lies in Redis: version 2 of Celery's messages, as kombu's Redis transport writes it.

https://docs.celeryq.dev/en/stable/internals/protocol.html. Celery's own way to this costs more than
everything else a submission does; workers read its messages and these alike.
"""

from __future__ import annotations

import base64
import json
import uuid
from typing import Any

# What comes with a task beside its arguments; ours has none of it.
EMBEDDED: dict[str, Any] = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
PERSISTENT = 2


def envelope(task: str, arguments: dict[str, Any], queue: str, task_id: str) -> str:
    """The message to push onto the list of `queue`, which must be named in it too."""
    body = json.dumps([[], arguments, EMBEDDED]).encode()
    return json.dumps(
        {
            "body": base64.b64encode(body).decode(),
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": {"lang": "py", "task": task, "id": task_id, "root_id": task_id},
            "properties": {
                "correlation_id": task_id,
                "delivery_mode": PERSISTENT,
                "delivery_info": {"exchange": "", "routing_key": queue},
                "priority": 0,
                "body_encoding": "base64",
                # Under this a worker's Redis remembers it until it is acknowledged.
                "delivery_tag": str(uuid.uuid4()),
            },
        }
    )
