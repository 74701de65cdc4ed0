"""Celery's consumer, with one log line per rejected message: Celery's own lines contain no id."""

from __future__ import annotations

import logging
from typing import Any

from celery.worker import consumer

from plumbline.messages import MessageRejected
from worker.broker.rejection import log_rejection, message_id

log = logging.getLogger(__name__)


class Consumer(consumer.Consumer):  # type: ignore[misc]
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
