"""Celery's consumer, which says in our one line what it turns away: Celery's name no message."""

from __future__ import annotations

import logging
from typing import Any

from celery.worker import consumer

from plumbline.messages import MessageRejected
from worker.broker.rejection import id_of, log_rejection

log = logging.getLogger(__name__)


class Consumer(consumer.Consumer):  # type: ignore[misc]
    def on_unknown_message(self, _: Any, message: Any) -> None:
        self._turn_away(message, MessageRejected("it is no message of Celery's"))

    def on_unknown_task(self, _: Any, message: Any, error: Exception) -> None:
        self._turn_away(message, MessageRejected("there is no task of that name"))

    def on_invalid_task(self, _: Any, message: Any, error: Exception) -> None:
        self._turn_away(message, error)

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        self._turn_away(message, exc)

    def _turn_away(self, message: Any, error: Exception) -> None:
        log_rejection(id_of(message.headers), error)
        message.reject_log_error(log, self.connection_errors)
