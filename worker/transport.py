"""Celery's way to Redis, which outlives what somebody pushed into a queue that is no message.

kombu reads JSON where nothing catches what it raises, so that such a thing would end the worker,
and after a restart the next would end it again. It is off the queue by then: log it and go on.
"""

from __future__ import annotations

from typing import Any

from redis.exceptions import DataError

from plumbline import transport
from plumbline.messages import MessageRejected
from worker.rejection import id_of, log_rejection

# What reading a message that is none raises: no JSON or other bytes (ValueError), JSON of another
# shape (the rest), a value the client cannot send to Redis (DataError). What Redis itself says is
# none of these, and kombu needs to see it.
UNREADABLE = (
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    IndexError,
    RecursionError,
    DataError,
    MessageRejected,
)


class Channel(transport.Channel):
    def _brpop_read(self, **options: Any) -> Any:
        newest = self._newest()
        self.connection.fetched = None
        try:
            return super()._brpop_read(**options)
        except UNREADABLE as error:
            # One that was counted before it proved unreadable would keep its place for ever, and a
            # worker whose places are all taken fetches nothing more.
            if self._newest() != newest:
                self.qos.reject(self._newest(), requeue=False)
            fetched = self.connection.fetched
            log_rejection(id_of(fetched.get("headers")) if fetched else None, error)
            return True

    def _newest(self) -> Any:
        """The tag of the message that was counted last."""
        return next(reversed(self.qos._delivered), None)


class Transport(transport.Transport):
    Channel = Channel
    # The message that is being taken apart, so that what goes wrong can be said of it by name.
    fetched: dict[str, Any] | None = None

    def _deliver(self, message: Any, queue: str) -> None:
        if isinstance(message, dict):
            self.fetched = message
        super()._deliver(message, queue)
