"""Celery's way to Redis, which outlives what somebody pushed into a queue that is no message.

kombu reads JSON where nothing catches what it raises, so that such a thing would end the worker,
and after a restart the next would end it again. It is off the queue by then: log it and go on.

It has one client a channel, where kombu makes one for each command, at twice its cost; they are
alike and hold nothing, and their connections come from the channel's pool either way.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kombu.transport import redis
from redis.exceptions import DataError

from plumbline.messages import MessageRejected
from worker.broker.rejection import id_of, log_rejection

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


class QoS(redis.QoS):  # type: ignore[misc]
    """Remembers in Redis which messages are held, in two commands without MULTI and EXEC.

    The worker waits for the answer twice a message. Where Redis dies between the two commands, a
    message is lost as before the first, or, if acknowledged, leaves a line that nobody looks for.
    """

    @contextmanager
    def pipe_or_acquire(self, pipe: Any = None, client: Any = None) -> Iterator[Any]:
        if pipe:
            yield pipe
            return
        with self.channel.conn_or_acquire(client) as connected:
            yield connected.pipeline(transaction=False)


class Channel(redis.Channel):  # type: ignore[misc]
    QoS = QoS
    _commands: Any = None

    def _create_client(self, asynchronous: bool = False) -> Any:
        if asynchronous:
            return super()._create_client(asynchronous=True)
        # After a broken connection kombu makes another pool.
        if self._commands is None or self._commands.connection_pool is not self.pool:
            self._commands = super()._create_client()
        return self._commands

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


class Transport(redis.Transport):  # type: ignore[misc]
    Channel = Channel
    # The message that is being taken apart, so that what goes wrong can be said of it by name.
    fetched: dict[str, Any] | None = None

    def _deliver(self, message: Any, queue: str) -> None:
        if isinstance(message, dict):
            self.fetched = message
        super()._deliver(message, queue)
