"""What each child holds and has in hand, where its parent can read it after the child's death.

Anonymous shared memory, made before the fork; each child writes into the slot of its place in the
pool, which its successor gets only after the parent has dealt with the death.
"""

from __future__ import annotations

import mmap
import os
import struct
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from plumbline.messages import MAX_JOBS

# Pages nobody wrote to take no memory, so there may be more slots than any pool has children.
SLOTS = 256
_HEAD = struct.Struct("=qqq")
_LEASE = struct.Struct("=16sq")
SLOT_BYTES = _HEAD.size + MAX_JOBS * _LEASE.size
NOTHING = -1


@dataclass(frozen=True, slots=True)
class Written:
    """The leases as (id, fence), and the position among them of the text being scored."""

    held: list[tuple[uuid.UUID, int]]
    in_hand: int | None


class InFlightRecord:
    """One child's part of the slate; without a slate, one nobody else reads."""

    def __init__(self, memory: mmap.mmap | bytearray | None = None, offset: int = 0) -> None:
        self._memory = memory if memory is not None else bytearray(SLOT_BYTES)
        self._offset = offset

    @property
    def pid(self) -> int:
        return self._head()[0]

    def take(self) -> None:
        self._write(os.getpid(), 0, NOTHING)

    def hold(self, leases: Sequence[tuple[uuid.UUID, int]]) -> None:
        """Write down the leases of a message; the count comes last, so that no half is read."""
        for position, (job, fence) in enumerate(leases):
            place = self._offset + _HEAD.size + position * _LEASE.size
            _LEASE.pack_into(self._memory, place, job.bytes, fence)
        self._write(self.pid, len(leases), NOTHING)

    def take_in_hand(self, position: int | None) -> None:
        pid, count, _ = self._head()
        self._write(pid, count, NOTHING if position is None else position)

    def clear(self) -> None:
        self._write(self.pid, 0, NOTHING)

    def read(self) -> Written:
        _, count, in_hand = self._head()
        start = self._offset + _HEAD.size
        written = bytes(self._memory[start : start + count * _LEASE.size])
        held = [(uuid.UUID(bytes=job), fence) for job, fence in _LEASE.iter_unpack(written)]
        return Written(held, None if in_hand == NOTHING else in_hand)

    def _head(self) -> tuple[int, int, int]:
        pid, count, in_hand = _HEAD.unpack_from(self._memory, self._offset)
        return pid, count, in_hand

    def _write(self, pid: int, count: int, in_hand: int) -> None:
        _HEAD.pack_into(self._memory, self._offset, pid, count, in_hand)


class InFlightTable:
    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, SLOTS * SLOT_BYTES)

    def slot(self, place: int) -> InFlightRecord:
        """The slot of a place in the pool; beyond the last one, a slot that nobody reads."""
        return (
            InFlightRecord(self._memory, place * SLOT_BYTES) if place < SLOTS else InFlightRecord()
        )

    def of(self, pid: int) -> InFlightRecord | None:
        """The slot that the process `pid` took and nobody has taken since."""
        return next((slot for slot in self._slots() if slot.pid == pid), None)

    def pids(self) -> dict[int, int]:
        """Who took a slot last, by its place."""
        found = {place: self.slot(place).pid for place in range(SLOTS)}
        return {place: pid for place, pid in found.items() if pid}

    def any_alive(self) -> bool:
        """Whether a process that took a slot is still there."""
        return any(_alive(slot.pid) for slot in self._slots() if slot.pid)

    def _slots(self) -> Iterator[InFlightRecord]:
        return (self.slot(place) for place in range(SLOTS))


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
