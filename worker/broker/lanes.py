"""The lists that a worker reads, in the order in which it looks for its next message.

Sweeps come first, then express messages, bulk messages and suspects; within each of these queues,
the lanes share the time. A queue that others always precede still gets a small share, so that
nothing waits for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from time import monotonic

from plumbline.queues import BULK_QUEUE, SCORE_QUEUE, SCORING_QUEUES, SUSPECT_QUEUE, UPKEEP_QUEUE
from plumbline_client.queues import PRIORITIES, bell, bound_list, lanes, with_priorities
from worker.broker.shares import Running, Shares

BINDABLE = (SCORE_QUEUE, BULK_QUEUE)
ORDER = {UPKEEP_QUEUE: 0, SCORE_QUEUE: 1, BULK_QUEUE: 2, SUSPECT_QUEUE: 4}
OTHERS = 3
# A queue that waits behind busier ones gets this share of the time, once it has saved up so much:
# short bursts of express messages are not interrupted.
SHARE = 0.1
LEAST_SAVED_S = 1.0
# While a suspect is being scored, the other processes of the worker are for other texts.
SUSPECTS_AT_ONCE = 1
PRIORITY_STEPS = 1 + len(PRIORITIES)
# Each list that is waited for takes a connection.
WAITING_LISTS = 24


@dataclass(slots=True)
class _Queue:
    """`saved_s` is the time that the queue may take although others have messages."""

    name: str
    shares: Shares = field(default_factory=Shares)
    saved_s: float = 0.0

    @property
    def place(self) -> int:
        return ORDER.get(self.name, OTHERS)

    @property
    def precedes(self) -> bool:
        return self.name in (BULK_QUEUE, SUSPECT_QUEUE) and self.saved_s >= LEAST_SAVED_S

    @property
    def readable(self) -> bool:
        return self.name != SUSPECT_QUEUE or self.shares.running < SUSPECTS_AT_ONCE


@dataclass(slots=True)
class _Message:
    queue: _Queue
    running: Running
    precedes: bool
    extra_s: float = 0.0


@dataclass(frozen=True, slots=True)
class _Layout:
    """The lists of each lane of each queue, and the lane of each list, for these bound sources."""

    bound: tuple[str, ...]
    lists: dict[str, dict[str, list[str]]]
    lanes: dict[str, tuple[_Queue, str]]

    @classmethod
    def of(cls, queues: Iterable[_Queue], bound: tuple[str, ...]) -> _Layout:
        lists = {queue.name: _lists(queue.name, bound) for queue in queues}
        places = {
            name: (queue, lane)
            for queue in queues
            for lane, names in lists[queue.name].items()
            for name in names
        }
        return cls(bound, lists, places)


class Lanes:
    """Orders the lists of the queues that a worker reads, by what it records of each message.

    `bound` returns the sources that have lists of their own.
    """

    def __init__(
        self, bound: Callable[[], Sequence[str]], clock: Callable[[], float] = monotonic
    ) -> None:
        self._bound = bound
        self._clock = clock
        self._queues: list[_Queue] = []
        self._messages: dict[str, _Message] = {}
        self._known: _Layout | None = None

    def read(self, names: Iterable[str]) -> None:
        """Read these queues from now on."""
        known = {queue.name: queue for queue in self._queues}
        self._queues = [known.get(name) or _Queue(name) for name in names]
        self._queues.sort(key=lambda queue: queue.place)
        self._known = None

    def order(self) -> list[str]:
        """Return the lists to take from, without the key prefix."""
        now = self._clock()
        # Sweeps stay first: they are short, and nothing else ends the leases of dead workers.
        queues = sorted(
            self._readable(), key=lambda queue: (queue.name != UPKEEP_QUEUE, not queue.precedes)
        )
        layout = self._layout().lists
        lanes = {
            queue.name: [
                layout[queue.name][lane] for lane in queue.shares.order(layout[queue.name], now)
            ]
            for queue in queues
        }
        # A message with a low priority yields to those of other queues, but not to suspects.
        last = [queue for queue in queues if queue.name == SUSPECT_QUEUE and not queue.precedes]
        others = [queue for queue in queues if queue not in last]
        return [
            names[step]
            for group in (others, last)
            for step in range(PRIORITY_STEPS)
            for queue in group
            for names in lanes[queue.name]
            if step < len(names)
        ]

    def bells(self) -> list[str]:
        """Return the lists that wake this worker for a message in a lane."""
        return [bell(queue.name) for queue in self._readable() if queue.name in SCORING_QUEUES]

    def waits(self) -> list[str]:
        """Return the lists to wait for. Others are looked at from time to time."""
        queues = [queue.name for queue in self._readable()]
        bound = [
            bound_list(queue, source)
            for source in self._bound()
            for queue in queues
            if queue in BINDABLE
        ]
        return [*queues, *self.bells(), *bound][:WAITING_LISTS]

    def taken(self, tag: str, list_name: str) -> None:
        """Record that a message was taken from a list."""
        if list_name not in self._layout().lanes:
            return
        queue, lane = self._layout().lanes[list_name]
        precedes = queue.precedes
        if not precedes and queue.name != UPKEEP_QUEUE:
            # Every queue that precedes was empty, and this one has not waited.
            self.found_empty()
            queue.saved_s = min(queue.saved_s, 0.0)
        self._messages[tag] = _Message(queue, queue.shares.begin(lane), precedes)

    def found_empty(self) -> None:
        """Record that the queues that precede have no messages, so none of them waits."""
        for queue in self._readable():
            if queue.precedes:
                queue.saved_s = 0.0

    def started(self, tag: str) -> None:
        """Record that a process begins with a message."""
        if message := self._messages.get(tag):
            message.running.started_at = self._clock()

    def crashed(self, tag: str, restart_s: float) -> None:
        """Record that a message ended its process, whose successor takes so long to start."""
        if message := self._messages.get(tag):
            message.extra_s = restart_s

    def elapsed_s(self, tag: str) -> float:
        """Return how long a process has worked on a message; 0 if none has begun."""
        message = self._messages.get(tag)
        return 0.0 if message is None else message.running.elapsed_s(self._clock())

    def ended(self, tag: str) -> bool:
        """Record that a message is settled. Return whether that makes another queue readable."""
        message = self._messages.pop(tag, None)
        if message is None:
            return False
        queue = message.queue
        took_s = message.running.elapsed_s(self._clock()) + message.extra_s
        queue.shares.end(message.running, took_s)
        if message.precedes:
            queue.saved_s -= took_s
        for later in self._queues:
            if later.place > queue.place:
                later.saved_s += SHARE * took_s
        return queue.name == SUSPECT_QUEUE

    def _readable(self) -> list[_Queue]:
        return [queue for queue in self._queues if queue.readable]

    def _layout(self) -> _Layout:
        bound = tuple(self._bound())
        if self._known is None or self._known.bound != bound:
            self._known = _Layout.of(self._queues, bound)
        return self._known


def _lists(queue: str, bound: Iterable[str]) -> dict[str, list[str]]:
    """Return the lists of each lane of a queue."""
    lists = {queue: with_priorities(queue)}
    if queue in SCORING_QUEUES:
        lists |= {name: [name] for name in lanes(queue)}
    if queue in BINDABLE:
        names = [bound_list(queue, source) for source in bound]
        lists |= {name: with_priorities(name) for name in names}
    return lists
