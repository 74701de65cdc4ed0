"""Celery's consumer, with one log line per rejected message: Celery's own lines contain no id.

It connects once Redis accepts what a worker needs, and until then waits. It takes no orders: remote
control, events, mingling and gossip are off, whatever the options of `celery worker` are.
"""

from __future__ import annotations

import logging
from time import monotonic, sleep
from typing import Any, ClassVar

from celery.worker import consumer
from celery.worker.state import maybe_shutdown

from plumbline.broker import check_takes
from plumbline.messages import MessageRejected
from plumbline_client.errors import BrokerRefuses, BrokerUnavailable
from worker.broker.refusal import Refusals
from worker.broker.rejection import log_rejection, message_id
from worker.celery import services

log = logging.getLogger(__name__)
CONTROL = "celery.worker.consumer.control:Control"
# Steps by which workers talk to each other and to programs that watch them. Whoever may publish in
# Redis could shut workers down, and nothing here needs them: heartbeats show which workers run.
# Celery would start the other steps again, as requirements of its consumer of tasks.
SILENT = {
    "without_gossip": True,
    "without_mingle": True,
    "without_heartbeat": True,
    "task_events": False,
}
# How often a waiting worker checks whether to shut down.
CHECK_EVERY_S = 0.2


class Consumer(consumer.Consumer):  # type: ignore[misc]
    class Blueprint(consumer.Consumer.Blueprint):  # type: ignore[misc]
        # Left out here because an argument of `celery worker` can change the setting.
        default_steps: ClassVar[list[str]] = [
            step for step in consumer.Consumer.Blueprint.default_steps if step != CONTROL
        ]

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options | SILENT)

    def connect(self) -> Any:
        self._wait_until_accepted()
        return super().connect()

    def _wait_until_accepted(self) -> None:
        refusals = Refusals(log, "Redis is not usable yet")
        while True:
            try:
                check_takes(services.broker_url)
            except BrokerRefuses as error:
                resume_at = monotonic() + refusals.add(error.answer)
                while monotonic() < resume_at:
                    maybe_shutdown()
                    sleep(CHECK_EVERY_S)
            except BrokerUnavailable:
                # Celery waits for a Redis that does not answer.
                return
            else:
                refusals.end()
                return

    def on_unknown_message(self, _: Any, message: Any) -> None:
        self._reject(message, MessageRejected("it is not a Celery message"))

    def on_unknown_task(self, _: Any, message: Any, error: Exception) -> None:
        self._reject(message, MessageRejected("there is no task with that name"))

    def on_invalid_task(self, _: Any, message: Any, error: Exception) -> None:
        self._reject(message, error)

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        self._reject(message, exc)

    def _reject(self, message: Any, error: Exception) -> None:
        log_rejection(message_id(message.headers), error)
        message.reject_log_error(log, self.connection_errors)
