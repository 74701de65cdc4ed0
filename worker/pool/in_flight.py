"""In-flight records: the leases of each child and the text it is scoring, readable after its death.

They are in anonymous shared memory, allocated before the fork. Each child writes to the record of
its index in the pool; its successor gets the index only after the parent has handled the death.
"""

from __future__ import annotations

import mmap
import os
import struct
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf
from time import monotonic

from plumbline.messages import MAX_JOBS

# Pages that were never written take no memory, so there can be more records than any pool needs.
RECORDS = 256
_HEADER = struct.Struct("=qqqd")
_LEASE = struct.Struct("=16sq")
RECORD_BYTES = _HEADER.size + MAX_JOBS * _LEASE.size
NO_TEXT = -1
# Between two messages of a bulk load, a process has none for some milliseconds.
IDLE_AFTER_S = 1.0


@dataclass(frozen=True, slots=True)
class InFlight:
    """Leases as (id, fence), and the position among them of the text being scored."""

    leases: list[tuple[uuid.UUID, int]]
    scoring: int | None


class InFlightRecord:
    """The record of one child. Without shared memory it is private to this process."""

    def __init__(self, memory: mmap.mmap | bytearray | None = None, offset: int = 0) -> None:
        self._memory = memory if memory is not None else bytearray(RECORD_BYTES)
        self._offset = offset

    @property
    def pid(self) -> int:
        """The process that owns this record, 0 if it was never claimed."""
        return self._header()[0]

    def claim(self) -> None:
        """Make this process the owner. It has no texts yet."""
        _HEADER.pack_into(self._memory, self._offset, os.getpid(), 0, NO_TEXT, -inf)

    def record_leases(self, leases: Sequence[tuple[uuid.UUID, int]]) -> None:
        """Record the leases of a message. The count is written last, so no partial list is read."""
        for position, (job, fence) in enumerate(leases):
            offset = self._offset + _HEADER.size + position * _LEASE.size
            _LEASE.pack_into(self._memory, offset, job.bytes, fence)
        self._write(self.pid, len(leases), NO_TEXT)

    def set_scoring(self, position: int | None) -> None:
        """Record which lease is being scored."""
        pid, count, _ = self._header()
        self._write(pid, count, NO_TEXT if position is None else position)

    def clear(self) -> None:
        self._write(self.pid, 0, NO_TEXT)

    def read(self) -> InFlight:
        _, count, scoring = self._header()
        start = self._offset + _HEADER.size
        content = bytes(self._memory[start : start + count * _LEASE.size])
        leases = [(uuid.UUID(bytes=job), fence) for job, fence in _LEASE.iter_unpack(content)]
        return InFlight(leases, None if scoring == NO_TEXT else scoring)

    def is_busy(self, now: float) -> bool:
        """Return whether the process has texts, or had some a moment ago (in monotonic seconds)."""
        _, count, _, changed_at = _HEADER.unpack_from(self._memory, self._offset)
        return bool(count > 0 or now - changed_at < IDLE_AFTER_S)

    def _header(self) -> tuple[int, int, int]:
        pid, count, scoring, _ = _HEADER.unpack_from(self._memory, self._offset)
        return pid, count, scoring

    def _write(self, pid: int, count: int, scoring: int) -> None:
        _HEADER.pack_into(self._memory, self._offset, pid, count, scoring, monotonic())


class InFlightTable:
    """One record per pool index."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, RECORDS * RECORD_BYTES)

    def record(self, pool_index: int) -> InFlightRecord:
        """Return the record of a pool index; beyond the last one, a record that nobody reads."""
        if pool_index >= RECORDS:
            return InFlightRecord()
        return InFlightRecord(self._memory, pool_index * RECORD_BYTES)

    def for_pid(self, pid: int) -> InFlightRecord | None:
        """Return the record whose latest owner is the process `pid`."""
        return next((record for record in self._records() if record.pid == pid), None)

    def pids(self) -> dict[int, int]:
        """Return the latest owner of each claimed record, by pool index."""
        owners = {index: record.pid for index, record in enumerate(self._records())}
        return {index: pid for index, pid in owners.items() if pid}

    def busy_siblings(self, pid: int, now: float) -> int:
        """Return how many other processes of the pool have texts; see `InFlightRecord.is_busy`."""
        return sum(record.is_busy(now) for record in self._records() if record.pid not in (0, pid))

    def any_alive(self) -> bool:
        """Return whether any owner of a record is still running."""
        return any(_is_alive(record.pid) for record in self._records() if record.pid)

    def _records(self) -> Iterator[InFlightRecord]:
        return (self.record(index) for index in range(RECORDS))


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
