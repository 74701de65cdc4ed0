"""Celery's Redis transport, which takes a message and records it as unacknowledged in one step."""

from __future__ import annotations

from typing import Any

from kombu.transport import redis

from worker.broker.channel import Channel
from worker.broker.poller import Poller


class Transport(redis.Transport):  # type: ignore[misc]
    Channel = Channel

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.cycle = Poller()

    def register_with_event_loop(self, connection: Any, loop: Any) -> None:
        self.cycle.attach(loop, self.on_readable)
        super().register_with_event_loop(connection, loop)
