"""kombu's message, made from what passed the gate. Nothing in the parent decodes its body."""

from __future__ import annotations

from typing import Any

from kombu.message import Message as BaseMessage
from kombu.transport import virtual

from worker.broker.gate import Admitted
from worker.broker.unacknowledged import UNCOUNTED

# Stands in for the decoded body where Celery's parent asks for it. It must not be empty.
UNREAD: Any = ((), {}, None)


class Message(virtual.Message):  # type: ignore[misc]
    """A message of a task. `count_as` is how its return to the queue is counted."""

    def __init__(self, payload: Any, channel: Any = None, **options: Any) -> None:
        self.count_as = UNCOUNTED
        if not isinstance(payload, Admitted):
            # Of a consumer without acknowledgement, which a worker does not have.
            super().__init__(payload, channel, **options)
            return
        # Not the constructor in between, which decodes.
        BaseMessage.__init__(
            self,
            body=payload.body,
            delivery_tag=payload.properties["delivery_tag"],
            content_type="application/json",
            content_encoding="utf-8",
            delivery_info=payload.properties["delivery_info"],
            properties=payload.properties,
            headers=payload.headers,
            channel=channel,
            **options,
        )
        self._decoded_cache = UNREAD
