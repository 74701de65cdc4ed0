"""The lines of a text, numbered; lines that a failed CSV row took can be given back."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import IO

from plumbline.files.encodings import UNDECODABLE, encoding_name
from plumbline.files.rows import InvalidRow, Problem

# In characters, far above any accepted text. A longer line is not a text.
LONGEST_LINE = 16 * 2**20
BYTE_ORDER_MARK = "\ufeff"
# Text that was appended in UTF-16 has a NUL for every character.
MAX_NUL_SHARE = 0.4
# The last line of a file that DOS or Windows software wrote may be this mark of its end.
END_OF_FILE = "\x1a"


@dataclass(frozen=True, slots=True)
class Line:
    """One line with its end, or, if it is too long, its beginning.

    `recovered` lines were part of a CSV row whose quote is not closed.
    """

    number: int
    text: str
    too_long: bool = False
    recovered: bool = False

    def invalid(self, encoding: str) -> InvalidRow | None:
        """Return the reason if nothing can be made of this line."""
        if self.too_long:
            reason = f"it has more than {LONGEST_LINE:,} characters"
            return InvalidRow(self.number, reason, Problem.TOO_LONG)
        if "\0" in self.text and self.text.count("\0") > MAX_NUL_SHARE * len(self.text):
            reason = "it consists of NULs to a large part, as text in UTF-16 or binary data does"
            return InvalidRow(self.number, reason, Problem.ENCODING)
        if not self.text.isascii() and UNDECODABLE.search(self.text):
            reason = f"it has bytes that are not {encoding_name(encoding)}"
            return InvalidRow(
                self.number, f"{reason}; correct it, or name --encoding", Problem.ENCODING
            )
        return None


class Lines:
    """Reads lines that end in LF, CR or CR LF, with at most LONGEST_LINE characters in memory."""

    def __init__(self, text: IO[str], encoding: str) -> None:
        self.encoding = encoding
        self.number = 0
        self._text = text
        self._ahead = ""
        self._returned: deque[Line] = deque()

    def take(self) -> Line | None:
        """Return the next line, or None at the end."""
        if self._returned:
            return self._returned.popleft()
        text, self._ahead = self._ahead or self._text.readline(LONGEST_LINE), ""
        if text.rstrip("\r\n") == END_OF_FILE:
            self._ahead = self._text.readline(LONGEST_LINE)
            text = text if self._ahead else ""
        if not text:
            return None
        self.number += 1
        if self.number == 1:
            # A file may have been marked twice.
            text = text.lstrip(BYTE_ORDER_MARK) or "\n"
        if len(text) == LONGEST_LINE and not text.endswith(("\n", "\r")):
            self._skip_rest()
            return Line(self.number, text, too_long=True)
        return Line(self.number, text)

    def give_back(self, lines: Iterable[Line], *, recovered: bool) -> None:
        returned = [replace(line, recovered=recovered) for line in lines]
        self._returned.extendleft(reversed(returned))

    def __iter__(self) -> Iterator[tuple[int, str | InvalidRow]]:
        """Yield each line that is not empty, without its end."""
        while (line := self.take()) is not None:
            if (invalid := line.invalid(self.encoding)) is not None:
                yield line.number, invalid
            elif stripped := line.text.rstrip("\r\n"):
                yield line.number, stripped

    def _skip_rest(self) -> None:
        while (rest := self._text.readline(LONGEST_LINE)) and not rest.endswith(("\n", "\r")):
            pass
