"""Texts in files: read as a stream, whatever their size; a bad line costs only itself.

Bytes that are no UTF-8 become lone surrogates, which the one rule of all doors (`scoring.input.text`)
replaces and notes.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import sys
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import IO, Any, cast

from plumbline.errors import FileUnreadable

STDIN = "-"
# Characters, far above any text that is accepted: what is longer is a quote left open, or no text.
LONGEST_LINE = 16 * 2**20
UNREADABLE = (OSError, EOFError, zlib.error, ValueError, csv.Error)


class Format(StrEnum):
    TEXT = "text"
    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"


SUFFIXES = {
    ".txt": Format.TEXT,
    ".csv": Format.CSV,
    ".jsonl": Format.JSONL,
    ".ndjson": Format.JSONL,
    ".parquet": Format.PARQUET,
}


@dataclass(frozen=True, slots=True)
class Row:
    """One text of a file, and the line (of Parquet: the row) where it begins."""

    line: int
    text: str
    key: str | None = None


@dataclass(frozen=True, slots=True)
class BadRow:
    """A line with no usable text, and why."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class Columns:
    """Where a row has its text and, if keys are wanted, its key."""

    text: str = "text"
    key: str | None = None

    @property
    def names(self) -> list[str]:
        return [self.text] if self.key is None else [self.text, self.key]

    def pick(self, line: int, values: Mapping[str, Any]) -> Row | BadRow:
        """The row these values make. Where keys are wanted, a row without one is bad."""
        for name in self.names:
            if name not in values:
                return BadRow(line, f"it has no {name!r}")
        text = values[self.text]
        if not isinstance(text, str):
            return BadRow(line, f"its {self.text!r} is {_kind(text)}, not a text")
        if self.key is None:
            return Row(line, text)
        key = values[self.key]
        if isinstance(key, int) and not isinstance(key, bool):
            key = str(key)
        if not isinstance(key, str) or not key:
            return BadRow(line, f"its key {self.key!r} is {_kind(key)}")
        return Row(line, text, key)


class Texts:
    """The rows of one file, read as they are asked for.

    Opening raises FileUnreadable for what concerns the whole file: it is not there, it has no such
    column. After that, what cannot be read is a BadRow, the last one where nothing can be read
    behind it.
    """

    def __init__(
        self, source: str, format: Format | None = None, columns: Columns | None = None
    ) -> None:
        self.name = "standard input" if source == STDIN else source
        self._columns = columns or Columns()
        self._line = 0
        self._size = 0
        self._file: IO[bytes] | None = None
        self._text: io.TextIOWrapper | None = None
        try:
            self._rows = self._open(source, format or format_of(source))
        except UNREADABLE as error:
            self.close()
            raise FileUnreadable(f"{self.name} cannot be read: {_reason(error)}.") from error
        except FileUnreadable:
            self.close()
            raise

    def __iter__(self) -> Iterator[Row | BadRow]:
        try:
            yield from self._rows
        except UNREADABLE as error:
            yield BadRow(self._line + 1, f"from here on it cannot be read: {_reason(error)}")

    @property
    def share_read(self) -> float | None:
        """How much of the file was read, from 0 to 1; None where its size is unknown."""
        if not self._size:
            return None
        if self._file is None:
            return min(1.0, self._line / self._size)
        return min(1.0, self._file.tell() / self._size)

    def close(self) -> None:
        if self._text is not None and self._file is None:
            # Standard input is not ours to close.
            self._text.detach()
        elif self._text is not None:
            self._text.close()
        if self._file is not None:
            self._file.close()
        self._text, self._size = None, 0

    def __enter__(self) -> Texts:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _open(self, source: str, format: Format) -> Iterator[Row | BadRow]:
        if format is Format.PARQUET:
            return self._parquet_rows(source)
        stream: IO[bytes] = sys.stdin.buffer
        if source != STDIN:
            self._file = stream = Path(source).open("rb")  # noqa: SIM115
            self._size = Path(source).stat().st_size
        if source.endswith(".gz"):
            stream = cast(IO[bytes], gzip.GzipFile(fileobj=stream))
        # The csv module wants the line ends of the file; for us they all end a line.
        newline = "" if format is Format.CSV else None
        self._text = io.TextIOWrapper(
            stream, encoding="utf-8-sig", errors="surrogateescape", newline=newline
        )
        if format is Format.CSV:
            return self._csv_rows(self._text)
        lines = self._lines(self._text)
        return self._json_rows(lines) if format is Format.JSONL else self._text_rows(lines)

    def _lines(self, text: IO[str]) -> Iterator[tuple[int, str | BadRow]]:
        """Number the lines; leave out empty ones, and never hold more than LONGEST_LINE of one."""
        while line := text.readline(LONGEST_LINE):
            self._line += 1
            if len(line) == LONGEST_LINE and not line.endswith("\n"):
                while (rest := text.readline(LONGEST_LINE)) and not rest.endswith("\n"):
                    pass
                too_long = f"it has more than {LONGEST_LINE:,} characters"
                yield self._line, BadRow(self._line, too_long)
            elif stripped := line.rstrip("\r\n"):
                yield self._line, stripped

    def _text_rows(self, lines: Iterator[tuple[int, str | BadRow]]) -> Iterator[Row | BadRow]:
        for number, line in lines:
            yield line if isinstance(line, BadRow) else Row(number, line)

    def _json_rows(self, lines: Iterator[tuple[int, str | BadRow]]) -> Iterator[Row | BadRow]:
        for number, line in lines:
            yield line if isinstance(line, BadRow) else self._json_row(number, line)

    def _json_row(self, number: int, line: str) -> Row | BadRow:
        try:
            values = json.loads(line)
        except (ValueError, RecursionError) as error:
            return BadRow(number, f"it is not JSON: {_reason(error)}")
        if not isinstance(values, dict):
            return BadRow(number, f"it is {_kind(values)}, not a JSON object")
        return self._columns.pick(number, values)

    def _csv_rows(self, text: IO[str]) -> Iterator[Row | BadRow]:
        csv.field_size_limit(LONGEST_LINE)
        reader = csv.reader(text)
        header = next(reader, [])
        self._check(header)
        return self._csv_values(reader, header)

    def _csv_values(self, reader: Any, header: list[str]) -> Iterator[Row | BadRow]:
        self._line = reader.line_num
        for values in reader:
            start, self._line = self._line + 1, reader.line_num
            if len(values) == len(header):
                yield self._columns.pick(start, dict(zip(header, values, strict=True)))
            elif values:
                # A text with a comma and no quotes: picking its first half would cut it silently.
                yield BadRow(
                    start,
                    f"it has {len(values)} values for {len(header)} columns; "
                    "a text with a comma needs quotes round it",
                )

    def _parquet_rows(self, source: str) -> Iterator[Row | BadRow]:
        if source == STDIN:
            raise FileUnreadable("Parquet cannot be read from standard input; name a file.")
        try:
            import pyarrow.parquet
        except ImportError as error:
            raise FileUnreadable("Parquet needs plumbline[parquet] installed.") from error
        file = pyarrow.parquet.ParquetFile(source)
        self._check(file.schema_arrow.names)
        self._size = file.metadata.num_rows
        return self._parquet_values(file)

    def _parquet_values(self, file: Any) -> Iterator[Row | BadRow]:
        for batch in file.iter_batches(batch_size=1_000, columns=self._columns.names):
            for index in range(batch.num_rows):
                self._line += 1
                try:
                    values = {name: batch[name][index].as_py() for name in self._columns.names}
                except UnicodeDecodeError as error:
                    yield BadRow(self._line, f"it is not UTF-8: {_reason(error)}")
                    continue
                yield self._columns.pick(self._line, values)

    def _check(self, there: list[str]) -> None:
        for name in self._columns.names:
            if name not in there:
                listed = ", ".join(there) or "none"
                raise FileUnreadable(
                    f"{self.name} has no column {name!r}; its columns are: {listed}."
                )


def format_of(source: str) -> Format:
    """The format a file's name tells; standard input is one text a line."""
    if source == STDIN:
        return Format.TEXT
    name = source.lower()
    found = SUFFIXES.get(Path(name.removesuffix(".gz")).suffix)
    if found is None or (found is Format.PARQUET and name.endswith(".gz")):
        raise FileUnreadable(
            f"{source} is not .csv, .jsonl, .txt (also .gz) or .parquet; say what it is "
            "with --format."
        )
    return found


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if value == "":
        return "empty"
    names = {bool: "true or false", int: "a number", float: "a number", str: "a text"}
    return names.get(type(value), "a list" if isinstance(value, list) else "an object")


def _reason(error: BaseException) -> str:
    told = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return (told.strip().splitlines() or [type(error).__name__])[0].rstrip(".")
