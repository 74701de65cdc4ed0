"""Results as CSV, JSON lines and Parquet, written while they are read."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from dataclasses import asdict, fields
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

from plumbline.atomic_file import replacing, translate_write_errors
from plumbline.cli.extras import extra_needed
from plumbline.cli.output.json_output import as_json_value, to_json
from plumbline_client.results import Result
from plumbline_client.visible import one_line

FORMATS = ("csv", "jsonl", "parquet")
COLUMNS = (*(field.name for field in fields(Result)), "review_reason")
ROW_GROUP = 10_000
CRLF = "\r\n"
# Nobody but the user who exports texts may read them.
FILE_MODE = 0o600
# A spreadsheet takes a cell that begins with one of these for a formula, some of them after white
# space, quotes or characters without a glyph.
FORMULA = re.compile(
    r"[\s'\"\x00-\x1f\xad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]*"
    r"[=+\-@\t\r\uff1d\uff0b\uff0d\uff20]"
)
# What makes a spreadsheet show a cell as text.
TEXT_MARK = "'"
TEXT_COLUMNS = frozenset({"source", "key", "error", "notes", "model", "label", "text"})


def write_json(results: Iterable[Result], file: TextIO) -> None:
    """Write one document, {"results": [...]}, with one result per line."""
    file.write('{"results": [')
    for position, result in enumerate(results):
        file.write(",\n" if position else "\n")
        file.write(_to_json(result))
    file.write("\n]}\n")


def write(results: Iterable[Result], format: str, file: TextIO, *, raw: bool = False) -> int:
    """Write CSV, exact if `raw`, or JSON lines; return the number of results."""
    return write_csv(results, file, raw=raw) if format == "csv" else write_jsonl(results, file)


def write_jsonl(results: Iterable[Result], file: TextIO) -> int:
    count = 0
    for result in results:
        file.write(_to_json(result) + "\n")
        count += 1
    return count


def write_csv(results: Iterable[Result], file: TextIO, *, raw: bool = False) -> int:
    """Write a header and one row per result. Notes are joined by commas; None is an empty cell.

    Unless `raw`, no cell is a formula. In a terminal, which would obey them, controls are escaped.
    """
    in_terminal = file.isatty()
    writer = csv.writer(_LineFeeds(file), lineterminator=CRLF)
    writer.writerow(COLUMNS)
    count = 0
    for result in results:
        values = _fields(result) | {"notes": ",".join(result.notes)}
        cells = {name: _csv_value(value) for name, value in values.items()}
        for name in TEXT_COLUMNS.intersection(cells):
            cell = cells[name]
            if not raw and FORMULA.match(cell):
                cell = TEXT_MARK + cell
            cells[name] = one_line(cell) if in_terminal else cell
        writer.writerow(cells.values())
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


def save(results: Iterable[Result], format: str, path: Path, *, raw: bool = False) -> int:
    """Write the file whole or not at all, for this user alone; return the number of results.

    Raises FileUnwritable.
    """
    with translate_write_errors(path), replacing(path, FILE_MODE) as partial:
        if format == "parquet":
            return write_parquet(results, partial)
        with partial.open("w", encoding="utf-8", newline="") as file:
            return write(results, format, file, raw=raw)


def _fields(result: Result) -> dict[str, Any]:
    return asdict(result) | {"review_reason": result.review_reason}


def _to_json(result: Result) -> str:
    return to_json(_fields(result))


def _csv_value(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else as_json_value(value)
