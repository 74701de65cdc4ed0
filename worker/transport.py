"""Celery's way to Redis, which outlives what somebody pushed into a queue that is no message.

kombu reads JSON where nothing catches what it raises, so that such a thing would end the worker,
and after a restart the next would end it again. It is off the queue by then: log it and go on.
"""

from __future__ import annotations

import logging
from typing import Any

from kombu.transport import redis

log = logging.getLogger(__name__)
LONGEST_SHOWN = 200
# What reading a message that is none raises: no JSON or other bytes (ValueError), JSON of another
# shape (the rest). Redis's own errors are none of these, and kombu needs to see them.
UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError)


class Channel(redis.Channel):  # type: ignore[misc]
    def _brpop_read(self, **options: Any) -> Any:
        newest = self._newest()
        try:
            return super()._brpop_read(**options)
        except UNREADABLE as error:
            # One that was counted before it proved unreadable would keep its place for ever, and a
            # worker whose places are all taken fetches nothing more.
            if self._newest() != newest:
                self.qos.reject(self._newest(), requeue=False)
            said = f"{type(error).__name__}: {error}"
            log.error("what is no message is rejected: %s", said[:LONGEST_SHOWN])
            return True

    def _newest(self) -> Any:
        """The tag of the message that was counted last."""
        return next(reversed(self.qos._delivered), None)


class Transport(redis.Transport):  # type: ignore[misc]
    Channel = Channel
