"""The files of the metrics, with their space reserved.

The library maps a sparse file into memory. Where the file system is full, writing to such a page
ends the process with SIGBUS, after it has scored a text and before it has acknowledged it.
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path

from prometheus_client import mmap_dict, values

# What an entry needs beside its key: two numbers, the length of the key, and padding.
ENTRY_BYTES = 32


class PreallocatedDict(mmap_dict.MmapedDict):
    """Raises OSError, and changes nothing, if there is no space for a new key."""

    def __init__(self, filename: str, read_mode: bool = False) -> None:
        if not read_mode:
            with Path(filename).open("a+b") as file:
                present = os.fstat(file.fileno()).st_size
                try:
                    reserve(file.fileno(), max(present, mmap_dict._INITIAL_MMAP_SIZE))
                except OSError:
                    # The exporter could not read an empty file.
                    if not present:
                        Path(filename).unlink()
                    raise
        super().__init__(filename, read_mode)  # type: ignore[no-untyped-call]

    def _init_value(self, key: str) -> None:
        needed = self._used + len(key.encode()) + ENTRY_BYTES
        capacity = self._capacity
        while needed > capacity:
            capacity *= 2
        if capacity > self._capacity:
            reserve(self._f.fileno(), capacity)
            self._m = mmap.mmap(self._f.fileno(), capacity)
            self._capacity = capacity
        super()._init_value(key)  # type: ignore[no-untyped-call]


def reserve(descriptor: int, size: int) -> None:
    """Give the file `size` bytes on the file system. Raises OSError."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
    else:
        os.ftruncate(descriptor, size)


def install() -> None:
    """Let the library use this class from now on."""
    values.MmapedDict = PreallocatedDict  # type: ignore[attr-defined]
