"""Which messages this worker holds, and which of them it acknowledges or returns at its next turn.

Messages that were merged into one (`worker.broker.merged_wake_ups`) are settled together.
An acknowledgement travels with the take for the slot that it frees. A worker that dies before
leaves a message that another worker receives again, which the ledger makes harmless.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

from kombu.transport import redis, virtual

from worker.broker.unacknowledged import UNCOUNTED, is_own_tag


class QoS(redis.QoS):  # type: ignore[misc]
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.acknowledged: deque[str] = deque()
        self.returned: deque[str] = deque()
        self._counts: dict[str, str] = {}
        self._companions: dict[str, Sequence[str]] = {}

    def merge(self, tag: str, companions: Sequence[str]) -> None:
        """Settle the messages `companions` with the one that they were merged with."""
        if companions:
            self._companions[tag] = companions

    def separate(self, tag: str) -> None:
        """Return the companions of a message, which itself cannot be delivered."""
        self.returned.extend(self._companions.pop(tag, ()))

    def held(self) -> list[str]:
        """Return the tags of the messages that are neither acknowledged nor returned."""
        settled = self._dirty
        tags = [tag for tag in list(self._delivered) if is_own_tag(tag) and tag not in settled]
        return [each for tag in tags for each in (tag, *self._companions.get(tag, ()))]

    def count_as(self, tag: str) -> str:
        """Return how to count the return of this message to its queue."""
        return self._counts.get(tag, UNCOUNTED)

    def forget_counts(self, tags: Iterable[str]) -> None:
        """Call it once the messages have returned."""
        for tag in tags:
            self._counts.pop(tag, None)

    def append(self, message: Any, delivery_tag: str) -> None:
        # The step that took the message has recorded it.
        base = virtual.QoS if is_own_tag(delivery_tag) else redis.QoS
        base.append(self, message, delivery_tag)

    def ack(self, delivery_tag: str) -> None:
        if is_own_tag(delivery_tag):
            self._settle(delivery_tag, self.acknowledged)
        else:
            super().ack(delivery_tag)

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        if is_own_tag(delivery_tag):
            count_as = getattr(self._delivered.get(delivery_tag), "count_as", UNCOUNTED)
            if requeue and count_as:
                for tag in (delivery_tag, *self._companions.get(delivery_tag, ())):
                    self._counts[tag] = count_as
            self._settle(delivery_tag, self.returned if requeue else self.acknowledged)
        else:
            super().reject(delivery_tag, requeue=requeue)

    def restore_unacked(self, client: Any = None) -> None:
        """Return everything that this worker holds, the oldest message to be read first."""
        self._flush()
        held = self.held()
        for tag in held:
            self._delivered.pop(tag, None)
            self._companions.pop(tag, None)
        self.channel.leave(held[::-1])
        if self._delivered:
            super().restore_unacked(client)

    def restore_visible(self, *_: Any, **options: Any) -> None:
        """Do nothing: `Channel.renew` returns overdue messages, by the clock of Redis."""

    def _settle(self, tag: str, settled: deque[str]) -> None:
        settled.append(tag)
        settled.extend(self._companions.pop(tag, ()))
        self.channel.settled(tag)
        if tag in self._delivered:
            self._quick_ack(tag)
        if self.channel.takes_messages:
            self.channel.connection.cycle.take_turn()
        else:
            self.channel.leave([])
