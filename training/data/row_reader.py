"""Reads rows from CSV, JSONL and Parquet files; CSV and JSONL may be gzipped."""

from __future__ import annotations

import csv
import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO, cast

from training.errors import DataInvalid

# The default limit of 128 kB per field is too low for long texts.
csv.field_size_limit(2**31 - 1)


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yield each row as a dict of its columns; raises DataInvalid if the file cannot be read."""
    if not path.is_file():
        raise DataInvalid(f"{path} does not exist or is not a file.")
    kind = path.name.removesuffix(".gz").rsplit(".", 1)[-1].lower()
    readers = {"csv": _csv_rows, "jsonl": _jsonl_rows, "parquet": _parquet_rows}
    if kind not in readers:
        raise DataInvalid(f"{path} is not .csv, .csv.gz, .jsonl or .parquet.")
    try:
        yield from readers[kind](path)
    except (OSError, EOFError, zlib.error, ValueError, csv.Error) as error:
        raise DataInvalid(f"{path} cannot be read: {error}.") from error


def _open(path: Path) -> TextIO:
    opener = gzip.open if path.suffix == ".gz" else open
    return cast(TextIO, opener(path, "rt", encoding="utf-8", newline=""))


def _csv_rows(path: Path) -> Iterator[dict[str, Any]]:
    with _open(path) as file:
        yield from csv.DictReader(file)


def _jsonl_rows(path: Path) -> Iterator[dict[str, Any]]:
    with _open(path) as file:
        for number, line in enumerate(file, start=1):
            try:
                row = json.loads(line)
            except ValueError as error:
                raise DataInvalid(f"{path}, line {number} is not JSON: {error}.") from error
            if not isinstance(row, dict):
                raise DataInvalid(f"{path}, line {number} is not a JSON object.")
            yield row


def _parquet_rows(path: Path) -> Iterator[dict[str, Any]]:
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise DataInvalid("Reading Parquet needs plumbline-scoring[parquet].") from error
    for batch in pyarrow.parquet.ParquetFile(path).iter_batches():
        yield from batch.to_pylist()
