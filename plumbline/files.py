"""Read texts from text, CSV, JSON lines and Parquet files as a stream.

An invalid line is reported and the next one is read. Bytes that are not UTF-8 become lone
surrogates, which `plumbline_client.text` replaces and notes.
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
# In characters, far above any accepted text. A longer line has an unclosed quote or is not a text.
LONGEST_LINE = 16 * 2**20
READ_ERRORS = (OSError, EOFError, zlib.error, ValueError, csv.Error)


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
    """One text of a file. `line` is its first line, or its row in a Parquet file."""

    line: int
    text: str
    key: str | None = None


@dataclass(frozen=True, slots=True)
class InvalidRow:
    """A line without a usable text."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class Columns:
    """The names of the columns with the text and, if the rows have keys, the key."""

    text: str = "text"
    key: str | None = None

    @property
    def names(self) -> list[str]:
        return [self.text] if self.key is None else [self.text, self.key]

    def parse_row(self, line: int, values: Mapping[str, Any]) -> Row | InvalidRow:
        """Return the row with these values. A row without an expected key is invalid."""
        for name in self.names:
            if name not in values:
                return InvalidRow(line, f"it has no {name!r}")
        text = values[self.text]
        if not isinstance(text, str):
            return InvalidRow(line, f"its {self.text!r} is {_type_name(text)}, not a string")
        if self.key is None:
            return Row(line, text)
        key = values[self.key]
        if isinstance(key, int) and not isinstance(key, bool):
            key = str(key)
        if not isinstance(key, str) or not key:
            return InvalidRow(line, f"its key {self.key!r} is {_type_name(key)}")
        return Row(line, text, key)


class TextFile:
    """The rows of one file, read lazily.

    The constructor raises FileUnreadable if the file cannot be opened or lacks a column. After
    that, every line that cannot be read is an InvalidRow; it is the last row if the rest of the
    file cannot be read either.
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
        except READ_ERRORS as error:
            self.close()
            raise FileUnreadable(f"{self.name} cannot be read: {_reason(error)}.") from error
        except FileUnreadable:
            self.close()
            raise

    def __iter__(self) -> Iterator[Row | InvalidRow]:
        try:
            yield from self._rows
        except READ_ERRORS as error:
            yield InvalidRow(
                self._line + 1, f"the rest of the file cannot be read: {_reason(error)}"
            )

    @property
    def fraction_read(self) -> float | None:
        """The part of the file that has been read, from 0 to 1, or None if its size is unknown."""
        if not self._size:
            return None
        if self._file is None:
            return min(1.0, self._line / self._size)
        return min(1.0, self._file.tell() / self._size)

    def close(self) -> None:
        if self._text is not None and self._file is None:
            # Standard input stays open for its owner.
            self._text.detach()
        elif self._text is not None:
            self._text.close()
        if self._file is not None:
            self._file.close()
        self._text, self._size = None, 0

    def __enter__(self) -> TextFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _open(self, source: str, format: Format) -> Iterator[Row | InvalidRow]:
        if format is Format.PARQUET:
            return self._parquet_rows(source)
        stream: IO[bytes] = sys.stdin.buffer
        if source != STDIN:
            self._file = stream = Path(source).open("rb")  # noqa: SIM115
            self._size = Path(source).stat().st_size
        if source.endswith(".gz"):
            stream = cast(IO[bytes], gzip.GzipFile(fileobj=stream))
        # The csv module needs the original line ends; the other formats accept any.
        newline = "" if format is Format.CSV else None
        self._text = io.TextIOWrapper(
            stream, encoding="utf-8-sig", errors="surrogateescape", newline=newline
        )
        if format is Format.CSV:
            return self._csv_rows(self._text)
        lines = self._lines(self._text)
        return self._json_rows(lines) if format is Format.JSONL else self._text_rows(lines)

    def _lines(self, text: IO[str]) -> Iterator[tuple[int, str | InvalidRow]]:
        """Number the lines and skip empty ones. At most LONGEST_LINE characters are in memory."""
        while line := text.readline(LONGEST_LINE):
            self._line += 1
            if len(line) == LONGEST_LINE and not line.endswith("\n"):
                while (rest := text.readline(LONGEST_LINE)) and not rest.endswith("\n"):
                    pass
                too_long = f"it has more than {LONGEST_LINE:,} characters"
                yield self._line, InvalidRow(self._line, too_long)
            elif stripped := line.rstrip("\r\n"):
                yield self._line, stripped

    def _text_rows(
        self, lines: Iterator[tuple[int, str | InvalidRow]]
    ) -> Iterator[Row | InvalidRow]:
        for number, line in lines:
            yield line if isinstance(line, InvalidRow) else Row(number, line)

    def _json_rows(
        self, lines: Iterator[tuple[int, str | InvalidRow]]
    ) -> Iterator[Row | InvalidRow]:
        for number, line in lines:
            yield line if isinstance(line, InvalidRow) else self._json_row(number, line)

    def _json_row(self, number: int, line: str) -> Row | InvalidRow:
        try:
            values = json.loads(line)
        except (ValueError, RecursionError) as error:
            return InvalidRow(number, f"it is not JSON: {_reason(error)}")
        if not isinstance(values, dict):
            return InvalidRow(number, f"it is {_type_name(values)}, not a JSON object")
        return self._columns.parse_row(number, values)

    def _csv_rows(self, text: IO[str]) -> Iterator[Row | InvalidRow]:
        csv.field_size_limit(LONGEST_LINE)
        reader = csv.reader(text)
        header = next(reader, [])
        self._require_columns(header)
        return self._csv_values(reader, header)

    def _csv_values(self, reader: Any, header: list[str]) -> Iterator[Row | InvalidRow]:
        self._line = reader.line_num
        for values in reader:
            start, self._line = self._line + 1, reader.line_num
            if len(values) == len(header):
                yield self._columns.parse_row(start, dict(zip(header, values, strict=True)))
            elif values:
                # An unquoted text with a comma. Its first half alone would be a silent truncation.
                yield InvalidRow(
                    start,
                    f"it has {len(values)} values for {len(header)} columns; "
                    "a text with a comma needs quotes around it",
                )

    def _parquet_rows(self, source: str) -> Iterator[Row | InvalidRow]:
        if source == STDIN:
            raise FileUnreadable("Parquet cannot be read from standard input; name a file.")
        try:
            import pyarrow.parquet
        except ImportError as error:
            raise FileUnreadable(
                "Parquet files need plumbline-scoring[parquet] installed."
            ) from error
        file = pyarrow.parquet.ParquetFile(source)
        self._require_columns(file.schema_arrow.names)
        self._size = file.metadata.num_rows
        return self._parquet_values(file)

    def _parquet_values(self, file: Any) -> Iterator[Row | InvalidRow]:
        for batch in file.iter_batches(batch_size=1_000, columns=self._columns.names):
            for index in range(batch.num_rows):
                self._line += 1
                try:
                    values = {name: batch[name][index].as_py() for name in self._columns.names}
                except UnicodeDecodeError as error:
                    yield InvalidRow(self._line, f"it is not UTF-8: {_reason(error)}")
                    continue
                yield self._columns.parse_row(self._line, values)

    def _require_columns(self, present: list[str]) -> None:
        for name in self._columns.names:
            if name not in present:
                columns = ", ".join(present) or "none"
                raise FileUnreadable(
                    f"{self.name} has no column {name!r}; its columns are: {columns}."
                )


def format_of(source: str) -> Format:
    """Return the format that the file's name implies. Standard input has one text per line."""
    if source == STDIN:
        return Format.TEXT
    name = source.lower()
    format = SUFFIXES.get(Path(name.removesuffix(".gz")).suffix)
    if format is None or (format is Format.PARQUET and name.endswith(".gz")):
        raise FileUnreadable(
            f"{source} is not .csv, .jsonl, .txt (also .gz) or .parquet; name its format with "
            "--format."
        )
    return format


def _type_name(value: Any) -> str:
    if value is None:
        return "null"
    if value == "":
        return "empty"
    names = {bool: "true or false", int: "a number", float: "a number", str: "a string"}
    return names.get(type(value), "a list" if isinstance(value, list) else "an object")


def _reason(error: BaseException) -> str:
    message = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return (message.strip().splitlines() or [type(error).__name__])[0].rstrip(".")
