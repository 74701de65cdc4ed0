"""The bytes of a file or of standard input, decompressed if they are gzip data."""

from __future__ import annotations

import gzip
import io
import sys
from pathlib import Path
from typing import IO, Any, cast

from plumbline.errors import FileUnreadable
from plumbline.files.formats import STDIN
from plumbline.files.signatures import GZIP

HEAD_BYTES = 2**15
# Enough for every signature at the start of a file and for a byte order mark.
LONGEST_SIGNATURE = 512
SHORTEST_HEAD = 4


class ByteStream:
    """A file's content as a stream, with its first bytes as `head`.

    The head of a pipe is what its writer has written, so that reading does not wait for more than
    a line. Raises FileUnreadable for data that is not compressed as its name says.
    """

    def __init__(self, source: str) -> None:
        self.name = name = name_of(source)
        self.size = 0
        self._file: IO[bytes] | None = None
        if source == STDIN:
            if sys.stdin is None:
                raise FileUnreadable("Standard input is closed; name a file.")
            raw: IO[bytes] = sys.stdin.buffer
        else:
            self._file = raw = Path(source).open("rb")  # noqa: SIM115
            self.size = Path(source).stat().st_size
        try:
            self.head, self.stream = self._decompressed(source, name, raw)
        except BaseException:
            self.close()
            raise

    @property
    def position(self) -> int:
        """How many bytes of the file have been read."""
        return self._file.tell() if self._file is not None else 0

    def close(self) -> None:
        """Close the file. Standard input stays open for its owner."""
        if self._file is not None:
            self._file.close()

    def _decompressed(self, source: str, name: str, raw: IO[bytes]) -> tuple[bytes, IO[bytes]]:
        head, stream = _peek(raw)
        if not head.startswith(GZIP):
            if head and source.lower().endswith(".gz"):
                raise FileUnreadable(
                    f"{name} cannot be read: its name ends in .gz, but it is not gzip data; "
                    "rename it."
                )
            return head, stream
        head, stream = _peek(cast(IO[bytes], gzip.GzipFile(fileobj=stream)))
        if head.startswith(GZIP):
            raise FileUnreadable(f"{name} is gzip data within gzip data; decompress it once.")
        return head, stream


def name_of(source: str) -> str:
    """Return how sentences name a file."""
    return "Standard input" if source == STDIN else source


class _Prefixed(io.RawIOBase):
    """A stream whose first bytes were read already."""

    def __init__(self, head: bytes, rest: IO[bytes]) -> None:
        self._head, self._rest = head, rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        target = memoryview(buffer)
        if self._head:
            chunk, self._head = self._head[: len(target)], self._head[len(target) :]
        else:
            chunk = self._rest.read1(len(target))  # type: ignore[attr-defined]
        target[: len(chunk)] = chunk
        return len(chunk)


def _peek(stream: IO[bytes]) -> tuple[bytes, IO[bytes]]:
    """Return the first bytes, and a stream that still begins with them."""
    head = b""
    while len(head) < HEAD_BYTES:
        chunk = stream.read1(HEAD_BYTES - len(head))  # type: ignore[attr-defined]
        head += chunk
        complete = len(head) >= LONGEST_SIGNATURE or b"\n" in head
        if not chunk or (complete and len(head) >= SHORTEST_HEAD):
            break
    return head, cast(IO[bytes], io.BufferedReader(_Prefixed(head, stream)))
