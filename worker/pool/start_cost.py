"""How long a child takes to start, in shared memory: the cost of a crash to the whole worker."""

from __future__ import annotations

import mmap
import struct

_SECONDS = struct.Struct("=d")


class StartCost:
    """Allocate it before the fork. Each child that starts overwrites it."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _SECONDS.size)

    @property
    def seconds(self) -> float:
        """The duration of the latest start; 0 before the first one."""
        (seconds,) = _SECONDS.unpack_from(self._memory)
        return float(seconds)

    @seconds.setter
    def seconds(self, seconds: float) -> None:
        _SECONDS.pack_into(self._memory, 0, seconds)
