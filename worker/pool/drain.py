"""One byte that the parent sets and its children see: take no further text.

Made before the fork, in anonymous shared memory, because a child at work reads nothing else of its
parent's: no signal interrupts the text in hand.
"""

from __future__ import annotations

import mmap


class Drain:
    def __init__(self) -> None:
        self._byte = mmap.mmap(-1, 1)

    def begin(self) -> None:
        self._byte[0] = 1

    def begun(self) -> bool:
        return self._byte[0] == 1
