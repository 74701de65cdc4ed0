"""Results as CSV, JSON lines and Parquet, written while they are read."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from dataclasses import asdict, fields
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

from plumbline.atomic_file import replacing, translate_write_errors
from plumbline.cli.extras import extra_needed
from plumbline.cli.output.json_output import as_json_value
from plumbline_client.results import Result

FORMATS = ("csv", "jsonl", "parquet")
COLUMNS = (*(field.name for field in fields(Result)), "review_reason")
ROW_GROUP = 10_000
CRLF = "\r\n"
# Like every file that a command writes for its user: the umask decides who may read it.
FILE_MODE = 0o666


def write_json(results: Iterable[Result], file: TextIO) -> None:
    """Write one document, {"results": [...]}, with one result per line."""
    file.write('{"results": [')
    for position, result in enumerate(results):
        file.write(",\n" if position else "\n")
        file.write(_to_json(result))
    file.write("\n]}\n")


def write(results: Iterable[Result], format: str, file: TextIO) -> int:
    """Write CSV or JSON lines; return the number of results."""
    return (write_csv if format == "csv" else write_jsonl)(results, file)


def write_jsonl(results: Iterable[Result], file: TextIO) -> int:
    count = 0
    for result in results:
        file.write(_to_json(result) + "\n")
        count += 1
    return count


def write_csv(results: Iterable[Result], file: TextIO) -> int:
    """Write a header and one row per result. Notes are joined by commas; None is an empty cell."""
    writer = csv.writer(_LineFeeds(file), lineterminator=CRLF)
    writer.writerow(COLUMNS)
    count = 0
    for result in results:
        values = _fields(result) | {"notes": ",".join(result.notes)}
        writer.writerow(_csv_value(value) for value in values.values())
        count += 1
    return count


class _LineFeeds:
    """Ends rows with LF. If csv did, it would not quote a CR in a text (in Python 3.11)."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, row: str) -> int:
        return self._file.write(row.removesuffix(CRLF) + "\n")


def write_parquet(results: Iterable[Result], path: Path) -> int:
    with extra_needed("Parquet", "parquet"):
        import pyarrow
        import pyarrow.parquet

    schema = parquet_schema()
    stream, count = iter(results), 0
    with pyarrow.parquet.ParquetWriter(path, schema) as writer:
        while rows := [_fields(result) for result in islice(stream, ROW_GROUP)]:
            for row in rows:
                row["job_id"] = str(row["job_id"])
            writer.write_table(pyarrow.Table.from_pylist(rows, schema=schema))
            count += len(rows)
    return count


def parquet_schema() -> Any:
    import pyarrow

    types: dict[str, Any] = {
        "notes": pyarrow.list_(pyarrow.string()),
        **dict.fromkeys(("created_at", "finished_at", "scored_at"), pyarrow.timestamp("us", "UTC")),
        **dict.fromkeys(("attempts", "tokens", "windows"), pyarrow.int32()),
        **dict.fromkeys(("probability", "confidence", "queue_ms", "score_ms"), pyarrow.float64()),
    }
    return pyarrow.schema([(name, types.get(name, pyarrow.string())) for name in COLUMNS])


def save(results: Iterable[Result], format: str, path: Path) -> int:
    """Write the file whole or not at all; return the number of results. Raises FileUnwritable."""
    with translate_write_errors(path), replacing(path, FILE_MODE) as partial:
        if format == "parquet":
            return write_parquet(results, partial)
        with partial.open("w", encoding="utf-8", newline="") as file:
            return write(results, format, file)


def _fields(result: Result) -> dict[str, Any]:
    return asdict(result) | {"review_reason": result.review_reason}


def _to_json(result: Result) -> str:
    return json.dumps(_fields(result), default=as_json_value, ensure_ascii=False)


def _csv_value(value: Any) -> Any:
    return as_json_value(value) if value is not None and not isinstance(value, str) else value
