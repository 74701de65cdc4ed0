"""Celery's Redis transport, which survives entries of a queue that are not messages.

kombu parses JSON in a place where nothing catches the errors, so that a malformed entry would end
the worker, and after a restart the next one would end it again. The entry has already left the
queue by then: log it and continue.

The transport keeps one client per channel. kombu makes one per command, at twice the cost; clients
hold no state, and connections come from the channel's pool either way.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kombu.transport import redis
from redis.exceptions import DataError

from plumbline.messages import MessageRejected
from worker.broker.rejection import log_rejection, message_id

# What parsing a malformed entry raises: bytes that are not JSON (ValueError), JSON of another shape
# (the rest), a value that the client cannot send to Redis (DataError). Errors of Redis itself are
# not among them; kombu must see those.
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
    """Records unacknowledged messages in Redis with two commands, without MULTI and EXEC.

    The worker waits for these commands twice per message. If Redis dies between them, a message is
    lost as it would be before the first, or, if acknowledged, leaves an entry that nothing reads.
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
        # kombu makes a new pool after a broken connection.
        if self._commands is None or self._commands.connection_pool is not self.pool:
            self._commands = super()._create_client()
        return self._commands

    def _brpop_read(self, **options: Any) -> Any:
        newest_tag = self._newest_tag()
        self.connection.fetched = None
        try:
            return super()._brpop_read(**options)
        except UNREADABLE as error:
            # An entry may count as unacknowledged before it proves unreadable. It would keep its
            # slot for ever, and a worker whose slots are all taken fetches nothing more.
            if self._newest_tag() != newest_tag:
                self.qos.reject(self._newest_tag(), requeue=False)
            fetched = self.connection.fetched
            log_rejection(message_id(fetched.get("headers")) if fetched else None, error)
            return True

    def _newest_tag(self) -> Any:
        """Return the delivery tag of the newest unacknowledged message."""
        return next(reversed(self.qos._delivered), None)


class Transport(redis.Transport):  # type: ignore[misc]
    Channel = Channel
    # The message being delivered, so that an error can be logged with its id.
    fetched: dict[str, Any] | None = None

    def _deliver(self, message: Any, queue: str) -> None:
        if isinstance(message, dict):
            self.fetched = message
        super()._deliver(message, queue)
