"""The drain flag: the parent sets it, and its children start no further text.

It is one byte of anonymous shared memory, allocated before the fork: no signal interrupts the text
that a child is scoring, and a child reads nothing else from its parent meanwhile.
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
