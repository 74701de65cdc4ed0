"""The rows of a Parquet file, batch by batch. Only this module needs pyarrow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from plumbline.errors import FileUnreadable
from plumbline.files.byte_stream import ByteStream
from plumbline.files.formats import STDIN
from plumbline.files.rows import InvalidRow, Problem
from plumbline.files.signatures import PARQUET, kind_of

BATCH_ROWS = 1_000


class ParquetRows:
    """A Parquet file's column names, number of rows and rows. Raises FileUnreadable."""

    def __init__(self, source: str, name: str) -> None:
        if source == STDIN:
            raise FileUnreadable("Parquet cannot be read from standard input; name a file.")
        _require_parquet(source, name)
        try:
            import pyarrow
            import pyarrow.parquet
        except ImportError as error:
            raise FileUnreadable(
                "Parquet files need plumbline-scoring[parquet] installed."
            ) from error
        self.name = name
        # Some of pyarrow's errors are neither OSError nor ValueError.
        self._errors = (pyarrow.ArrowException, OSError, ValueError, OverflowError)
        try:
            self._file: Any = pyarrow.parquet.ParquetFile(source)
            self.columns: list[str] = self._file.schema_arrow.names
            self.count: int = self._file.metadata.num_rows
        except self._errors as error:
            raise FileUnreadable(f"{name} cannot be read: {_first_line(error)}.") from error

    def rows(self, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, Any] | InvalidRow]]:
        """Yield the number of each row, from 1, and its values."""
        number = 0
        try:
            for batch in self._file.iter_batches(batch_size=BATCH_ROWS, columns=list(columns)):
                for index in range(batch.num_rows):
                    number += 1
                    yield number, self._values(batch, index, number, columns)
        except self._errors as error:
            reason = f"the rest of the file cannot be read: {_first_line(error)}"
            yield number + 1, InvalidRow(number + 1, reason, Problem.UNREADABLE)

    def close(self) -> None:
        self._file.close()

    def _values(
        self, batch: Any, index: int, number: int, columns: Sequence[str]
    ) -> dict[str, Any] | InvalidRow:
        try:
            return {name: batch[name][index].as_py() for name in columns}
        except UnicodeDecodeError:
            return InvalidRow(number, "it is not UTF-8", Problem.ENCODING)
        except self._errors as error:
            return InvalidRow(number, f"it cannot be read: {_first_line(error)}", Problem.TYPE)


def _require_parquet(source: str, name: str) -> None:
    """Say what the file is instead, before pyarrow reports a missing footer."""
    stream = ByteStream(source)
    stream.close()
    if stream.head and not stream.head.startswith(PARQUET) and (kind := kind_of(stream.head)):
        raise FileUnreadable(f"{name} is {kind}, not a Parquet file.")


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
