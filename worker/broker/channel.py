"""A channel of Celery's Redis transport that loses no message and survives Redis's errors.

The consumers of tasks take messages in turns: acknowledge what is processed, take what fits, and
wait for a wake-up once the queues are empty. A consumer without acknowledgement, of which a worker
has none, stays kombu's. An error that Redis answers with ends a turn and delays the next one; a
broken connection is the consumer's to restore.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from time import monotonic
from typing import Any

import redis as redis_py
from kombu.transport import redis
from kombu.utils.encoding import bytes_to_str
from kombu.utils.json import dumps, loads

from plumbline_client.broker import server_answer
from plumbline_client.broker_connection import TcpConnection, TlsConnection
from plumbline_client.queues import queue_of
from storage.rejected_messages import RejectedMessage
from worker.broker import gate
from worker.broker.lanes import Lanes
from worker.broker.merged_wake_ups import WakeUps
from worker.broker.message import Message
from worker.broker.qos import QoS
from worker.broker.refusal import Refusals
from worker.broker.rejected_messages import WRITER
from worker.broker.rejection import UNREADABLE, log_rejection, row_reason
from worker.broker.source_bindings import bound_sources
from worker.broker.unacknowledged import (
    FAILED,
    LOST_AFTER_S,
    RENEW_S,
    Overdue,
    Taken,
    Unacknowledged,
    is_own_tag,
)
from worker.broker.wakeup import Wakeups

log = logging.getLogger(__name__)
# How often to look for messages without a wake-up: there is none for priorities other than 0.
POLL_S = 0.75
# A worker without a prefetch limit must still return to its event loop.
TAKES_PER_TURN = 64


class Channel(redis.Channel):  # type: ignore[misc]
    QoS = QoS
    Message = Message
    connection_class = TcpConnection
    connection_class_ssl = TlsConnection
    from_transport_options = (*redis.Channel.from_transport_options, "max_message_bytes")
    # The app sets it from PLUMBLINE_MAX_MESSAGE_MB.
    max_message_bytes = sys.maxsize
    _commands: Any = None

    def __init__(self, *args: Any, **options: Any) -> None:
        self._acknowledging: set[str] = set()
        self._unacknowledged: Unacknowledged | None = None
        self._merger: WakeUps | None = None
        self._wakeups: Wakeups | None = None
        self._poll_at = self._paused_until = self._renew_at = 0.0
        self._taking = Refusals(log, "no messages are taken for now")
        self._binding = Refusals(log, "queues are not declared yet")
        self._unbound: list[tuple[Any, ...]] = []
        self.lanes = Lanes(bound_sources)
        super().__init__(*args, **options)

    @property
    def active_queues(self) -> list[str]:
        """The queues that kombu itself reads: those of consumers without acknowledgement."""
        return [queue for queue in super().active_queues if queue not in self._acknowledging]

    @property
    def task_queues(self) -> list[str]:
        """The queues that are read in turns, in the order of their consumers."""
        return [queue for queue in dict.fromkeys(self._active_queues) if self._is_task_queue(queue)]

    def _is_task_queue(self, queue: str) -> bool:
        return queue in self._acknowledging and queue not in self.active_fanout_queues

    @property
    def takes_messages(self) -> bool:
        """Whether turns follow, which deliver acknowledgements."""
        return not self.closed and bool(self.task_queues)

    # Consumers

    def basic_consume(self, queue: str, no_ack: bool, *args: Any, **options: Any) -> Any:
        if no_ack:
            self._acknowledging.discard(queue)
        else:
            self._acknowledging.add(queue)
            if self._unacknowledged is None:
                self._open()
        return super().basic_consume(queue, no_ack, *args, **options)

    def _open(self) -> None:
        pool = redis_py.ConnectionPool(**self._connparams())
        # Without kombu's client, which prefixes some of a script's keys.
        connection = redis_py.Redis(connection_pool=pool)
        self._unacknowledged = Unacknowledged(
            connection, self.global_keyprefix, self.unacked_key, self.unacked_index_key
        )
        self._merger = WakeUps(self._unacknowledged, self.max_message_bytes)
        waiting = self._connparams() | {"health_check_interval": 0}
        connect = redis_py.ConnectionPool(**waiting).make_connection
        self._wakeups = Wakeups(connect, self.connection.cycle, self._wake)

    def _wake(self) -> None:
        self._poll_at = 0.0
        self.connection.cycle.take_turn()

    def _update_queue_cycle(self) -> None:
        super()._update_queue_cycle()
        self.lanes.read(self.task_queues)
        self._poll_at = 0.0

    # Turns

    def turn(self) -> bool:
        """Settle what is processed and take what fits. Return whether a message was delivered."""
        if self._unacknowledged is None or self.closed or monotonic() < self._paused_until:
            return False
        delivered = asked = False
        with self._pausing():
            self._renew_if_due()
            self._return_settled()
            for _ in range(TAKES_PER_TURN):
                if not self._has_slot():
                    break
                taken = self._take()
                asked = True
                if taken is None:
                    self._wait_for_messages()
                    break
                delivered = True
                self._deliver(taken)
            else:
                self._wait_for_messages()
            self._acknowledge()
            # A turn between two looks at the queues says nothing about what Redis answers.
            if asked:
                self._taking.end()
        return delivered

    def _has_slot(self) -> bool:
        return bool(self.task_queues) and self._poll_at <= monotonic() and self.qos.can_consume()

    @contextmanager
    def _pausing(self) -> Iterator[None]:
        """Pause turns after an error that Redis answers with."""
        try:
            yield
        except redis_py.RedisError as error:
            answer = server_answer(error)
            if answer is None:
                raise
            self._paused_until = monotonic() + self._taking.add(answer)
            self._disconnect()

    def _disconnect(self) -> None:
        """After a failover, the address may lead to another server."""
        assert self._unacknowledged is not None and self._wakeups is not None
        self._unacknowledged.disconnect()
        self._wakeups.close()

    def _take(self) -> Taken | None:
        assert self._unacknowledged is not None
        lists, bells = self.lanes.order(), self.lanes.bells()
        with self._settling(self.qos.acknowledged) as acknowledged:
            taken = self._unacknowledged.take(
                lists, acknowledged, bells, max_bytes=self.max_message_bytes
            )
        if taken is None:
            self.lanes.found_empty()
        else:
            self.lanes.taken(taken.tag, taken.list_name)
        return taken

    def settled(self, tag: str) -> None:
        """Record that a message is acknowledged or returned."""
        if self._merger is not None:
            self._merger.ended(tag, self.lanes.elapsed_s(tag))
        if self.lanes.ended(tag):
            self._poll_at = 0.0

    def _acknowledge(self) -> None:
        assert self._unacknowledged is not None
        if self.qos.acknowledged:
            with self._settling(self.qos.acknowledged) as acknowledged:
                self._unacknowledged.acknowledge(acknowledged)

    def _return_settled(self) -> None:
        assert self._unacknowledged is not None
        if self.qos.returned:
            with self._settling(self.qos.returned) as returned:
                for count_as in {self.qos.count_as(tag) for tag in returned}:
                    self._unacknowledged.return_to_queues(
                        [tag for tag in returned if self.qos.count_as(tag) == count_as],
                        read_next=False,
                        count_as=count_as,
                    )
                self.qos.forget_counts(returned)

    @contextmanager
    def _settling(self, settled: Any) -> Iterator[list[str]]:
        """Yield the tags, and keep them for the next attempt if this one fails."""
        tags = [settled.popleft() for _ in range(len(settled))]
        try:
            yield tags
        except BaseException:
            settled.extendleft(reversed(tags))
            raise

    def _wait_for_messages(self) -> None:
        assert self._wakeups is not None
        self._poll_at = monotonic() + POLL_S
        self._wakeups.arm([self.global_keyprefix + name for name in self.lanes.waits()])

    def _deliver(self, taken: Taken) -> None:
        list_name = taken.list_name.split(self.sep, 1)[0]
        queue = queue_of(list_name)
        message: gate.Admitted | None = None
        try:
            message = gate.admit(taken, queue, list_name, self.max_message_bytes)
            taken.message = b""
            self.connection._deliver(self._merge(taken, message, queue), queue)
        except UNREADABLE as error:
            # kombu handles a message in a place where nothing catches the errors, so that one that
            # it cannot handle would end this worker, and after a restart the next one.
            self.qos.separate(taken.tag)
            self.qos.reject(taken.tag, requeue=False)
            names = gate.names(taken.message) if message is None else gate.Names.of(message)
            self._record_rejection(names, taken.size, queue, error)

    def _merge(self, taken: Taken, message: gate.Admitted, queue: str) -> gate.Admitted:
        """Return the message, merged with those that follow it if they can be."""
        assert self._merger is not None
        processes = self.qos.prefetch_count
        merged, companions = self._merger.merge(taken, message, queue, processes)
        self.qos.merge(taken.tag, companions)
        return merged

    def _record_rejection(self, names: gate.Names, size: int, queue: str, error: Exception) -> None:
        log_rejection(names.message_id, error)
        WRITER.add(
            RejectedMessage(
                queue=queue,
                reason=row_reason(error),
                message_id=names.message_id,
                task=names.task,
                bytes=size,
            )
        )

    # Claims

    def _renew_if_due(self) -> None:
        if monotonic() < self._renew_at:
            return
        self._renew_at = monotonic() + RENEW_S
        self._bind_unbound()
        self.renew()

    def renew(self) -> None:
        """Renew the claims to what this worker holds, and return what no worker renews."""
        assert self._unacknowledged is not None
        overdue = self._unacknowledged.renew(self.qos.held())
        lost = [claim.tag for claim in overdue if is_own_tag(claim.tag)]
        if lost:
            returned = self._unacknowledged.return_to_queues(
                lost, read_next=True, least_age_s=LOST_AFTER_S, count_as=FAILED
            )
            log.warning("%d messages of workers that died return to their queues", returned)
        for claim in overdue:
            if not is_own_tag(claim.tag):
                self._return_earlier(claim, self._unacknowledged)

    def _return_earlier(self, claim: Overdue, unacknowledged: Unacknowledged) -> None:
        """Return a message that a worker of an earlier release holds, as that release would."""
        if claim.age_s < self.visibility_timeout:
            return
        record = unacknowledged.record(claim.tag)
        if record is None:
            unacknowledged.forget_index(claim.tag)
            return
        try:
            message, exchange, routing_key = loads(bytes_to_str(record))
            priority = self._get_message_priority(message)
        except UNREADABLE as error:
            log_rejection(None, error)
            unacknowledged.delete(claim.tag, record)
            return
        queue = next(iter(self._lookup(exchange, routing_key)), routing_key)
        list_name = self._q_for_pri(queue, priority)
        unacknowledged.replace(claim.tag, record, list_name, dumps(message))

    def leave(self, held: Sequence[str]) -> None:
        """Settle what is processed and return the messages `held`, without a later turn.

        If Redis refuses, another worker returns them once the claims are overdue.
        """
        unacknowledged = self._unacknowledged
        if unacknowledged is None:
            return
        try:
            self._return_settled()
            self._acknowledge()
            if held:
                unacknowledged.return_to_queues(held, read_next=True)
        except redis_py.RedisError as error:
            count = len(held) + len(self.qos.returned) + len(self.qos.acknowledged)
            log.warning("%d messages return to their queues later: %s", count, error)

    def close(self) -> None:
        if self._wakeups is not None:
            self._wakeups.close()
        super().close()
        if self._unacknowledged is not None:
            self._unacknowledged.disconnect()

    def _after_fork(self) -> None:
        super()._after_fork()
        if self._unacknowledged is not None and self._wakeups is not None:
            self._unacknowledged.disconnect()
            self._wakeups.forget()

    # Publishing

    def _create_client(self, asynchronous: bool = False) -> Any:
        # kombu makes one client per command, at twice the cost. Clients hold no state, and
        # connections come from the channel's pool either way.
        if asynchronous:
            return super()._create_client(asynchronous=True)
        # kombu makes a new pool after a broken connection.
        if self._commands is None or self._commands.connection_pool is not self.pool:
            self._commands = super()._create_client()
        return self._commands

    def _put(self, queue: str, message: Any, **options: Any) -> None:
        try:
            super()._put(queue, message, **options)
        except redis_py.RedisError as error:
            if server_answer(error) is not None:
                # After a failover, the address may lead to another server.
                self.pool.disconnect()
            raise

    def _queue_bind(self, *binding: Any) -> None:
        """Record where an exchange leads; later, if Redis is full: taking needs no binding."""
        bind: Callable[..., None] = super()._queue_bind
        try:
            bind(*binding)
        except redis_py.ResponseError as error:
            self._binding.add(server_answer(error) or str(error))
            self._unbound.append(binding)

    def _size(self, queue: str) -> int:
        # Without kombu's transaction, in which a full Redis refuses even to count.
        with self._create_client().pipeline(transaction=False) as pipeline:
            for step in self.priority_steps:
                pipeline.llen(self._q_for_pri(queue, step))
            return sum(pipeline.execute())

    def _bind_unbound(self) -> None:
        unbound, self._unbound = self._unbound, []
        for binding in unbound:
            self._queue_bind(*binding)
        if unbound and not self._unbound:
            self._binding.end()
