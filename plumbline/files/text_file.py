"""The rows of one file in any format: what submit, label and retrain read."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Any, Generic, TypeVar, cast

from plumbline.errors import FileUnreadable
from plumbline.files.byte_stream import ByteStream, name_of
from plumbline.files.csv_rows import CsvFile
from plumbline.files.formats import Format, ReadOptions, format_of
from plumbline.files.header import columns_to_read
from plumbline.files.json_rows import json_rows
from plumbline.files.lines import Lines
from plumbline.files.parquet_rows import ParquetRows
from plumbline.files.rows import Columns, InvalidRow, Problem, RowColumns
from plumbline.files.text_stream import READ_ERRORS, open_text, reason_of

R = TypeVar("R")
NumberedValues = Iterator[tuple[int, dict[str, Any] | InvalidRow]]


class TextFile(Generic[R]):
    """The rows of one file, read lazily, as the columns make them.

    The constructor raises FileUnreadable if the file cannot be opened, is not text, or lacks a
    column. After that, every line that cannot be read is an InvalidRow; it is the last row if the
    rest of the file cannot be read either.
    """

    def __init__(
        self,
        source: str,
        format: Format | None = None,
        columns: RowColumns[R] | None = None,
        options: ReadOptions | None = None,
    ) -> None:
        self.name = name_of(source)
        self._columns = columns or cast(RowColumns[R], Columns())
        self._options = options or ReadOptions()
        self._line = 0
        self._bytes: ByteStream | None = None
        self._lines: Lines | None = None
        self._parquet: ParquetRows | None = None
        try:
            self._rows = self._open(source, format or format_of(source))
        except READ_ERRORS as error:
            self.close()
            raise FileUnreadable(f"{self.name} cannot be read: {reason_of(error)}.") from error
        except FileUnreadable:
            self.close()
            raise

    def __iter__(self) -> Iterator[R | InvalidRow]:
        try:
            for line, values in self._rows:
                self._line = line
                if isinstance(values, InvalidRow):
                    yield values
                else:
                    yield self._columns.parse_row(line, values)
        except READ_ERRORS as error:
            reason = f"the rest of the file cannot be read: {reason_of(error)}"
            line = self._line if self._lines is None else self._lines.number
            yield InvalidRow(line + 1, reason, Problem.UNREADABLE)

    @property
    def fraction_read(self) -> float | None:
        """The part of the file that has been read, from 0 to 1, or None if its size is unknown."""
        if self._parquet is not None and self._parquet.count:
            return min(1.0, self._line / self._parquet.count)
        if self._bytes is None or not self._bytes.size:
            return None
        return min(1.0, self._bytes.position / self._bytes.size)

    def close(self) -> None:
        for opened in (self._bytes, self._parquet):
            if opened is not None:
                opened.close()
        self._bytes = self._parquet = None

    def __enter__(self) -> TextFile[R]:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _open(self, source: str, format: Format) -> NumberedValues:
        if format is Format.PARQUET:
            self._parquet = ParquetRows(source, self.name)
            columns = columns_to_read(self.name, self._parquet.columns, self._columns)
            return self._parquet.rows(columns)
        self._bytes = ByteStream(source)
        text = open_text(self._bytes, self.name, self._options.encoding)
        self._lines = lines = Lines(text, text.encoding)
        if format is Format.CSV:
            return self._csv_values(lines)
        if format is Format.JSONL:
            return json_rows(self.name, lines, self._columns)
        return self._text_values(lines)

    def _text_values(self, lines: Lines) -> NumberedValues:
        (name, *others) = self._columns.names
        if others:
            raise FileUnreadable(
                f"{self.name} has one text per line, so it has no column {others[0]!r}; name its "
                "format with --format."
            )
        return ((n, v if isinstance(v, InvalidRow) else {name: v}) for n, v in lines)

    def _csv_values(self, lines: Lines) -> NumberedValues:
        table = CsvFile(self.name, lines, self._columns.names, self._options.delimiter)
        columns_to_read(self.name, table.header, self._columns)
        return (
            (record.line, record)
            if isinstance(record, InvalidRow)
            else (record.line, dict(zip(table.header, record.values, strict=True)))
            for record in table
        )
