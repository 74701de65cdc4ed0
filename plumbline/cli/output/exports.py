"""Results and samples as CSV, JSON lines and Parquet, written while they are read."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, fields
from itertools import islice
from pathlib import Path
from typing import Any, Generic, TextIO, TypeVar

from plumbline.atomic_file import replacing, translate_write_errors
from plumbline.cli.extras import extra_needed
from plumbline.cli.output.json_output import as_json_value, to_json
from plumbline_client.results import Result
from plumbline_client.visible import one_line

R = TypeVar("R")
FORMATS = ("csv", "jsonl", "parquet")
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
TEXT_COLUMNS = frozenset(
    {"source", "key", "error", "notes", "model", "label", "predicted_label", "text"}
)


@dataclass(frozen=True, slots=True)
class Layout(Generic[R]):
    """The columns of a file, how a row's values are found, and what JSON calls all rows."""

    columns: tuple[str, ...]
    values: Callable[[R], dict[str, Any]]
    document: str


RESULTS: Layout[Result] = Layout(
    columns=(*(field.name for field in fields(Result)), "review_reason"),
    values=lambda result: asdict(result) | {"review_reason": result.review_reason},
    document="results",
)


def write_json(rows: Iterable[R], file: TextIO, layout: Layout[R]) -> None:
    """Write one document, such as {"results": [...]}, with one row per line."""
    file.write(f'{{"{layout.document}": [')
    for position, row in enumerate(rows):
        file.write(",\n" if position else "\n")
        file.write(to_json(layout.values(row)))
    file.write("\n]}\n")


def write(
    rows: Iterable[R], format: str, file: TextIO, layout: Layout[R], *, raw: bool = False
) -> int:
    """Write CSV, exact if `raw`, or JSON lines; return the number of rows."""
    if format == "csv":
        return write_csv(rows, file, layout, raw=raw)
    return write_jsonl(rows, file, layout)


def write_jsonl(rows: Iterable[R], file: TextIO, layout: Layout[R]) -> int:
    count = 0
    for row in rows:
        file.write(to_json(layout.values(row)) + "\n")
        count += 1
    return count


def write_csv(rows: Iterable[R], file: TextIO, layout: Layout[R], *, raw: bool = False) -> int:
    """Write a header and one line per row. Notes are joined by commas; None is an empty cell.

    Unless `raw`, no cell is a formula. In a terminal, which would obey them, controls are escaped.
    """
    in_terminal = file.isatty()
    writer = csv.writer(_LineFeeds(file), lineterminator=CRLF)
    writer.writerow(layout.columns)
    count = 0
    for row in rows:
        cells = {name: _csv_value(value) for name, value in layout.values(row).items()}
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


def write_parquet(rows: Iterable[R], path: Path, layout: Layout[R]) -> int:
    with extra_needed("Parquet", "parquet"):
        import pyarrow
        import pyarrow.parquet

    schema = parquet_schema(layout.columns)
    stream, count = iter(rows), 0
    with pyarrow.parquet.ParquetWriter(path, schema) as writer:
        while group := [layout.values(row) for row in islice(stream, ROW_GROUP)]:
            for values in group:
                values["job_id"] = str(values["job_id"])
            writer.write_table(pyarrow.Table.from_pylist(group, schema=schema))
            count += len(group)
    return count


def parquet_schema(columns: Iterable[str]) -> Any:
    import pyarrow

    floats = ("probability", "confidence", "queue_ms", "score_ms", "unfamiliarity")
    types: dict[str, Any] = {
        "notes": pyarrow.list_(pyarrow.string()),
        **dict.fromkeys(("created_at", "finished_at", "scored_at"), pyarrow.timestamp("us", "UTC")),
        **dict.fromkeys(("attempts", "tokens", "windows"), pyarrow.int32()),
        **dict.fromkeys(floats, pyarrow.float64()),
    }
    return pyarrow.schema([(name, types.get(name, pyarrow.string())) for name in columns])


def save(
    rows: Iterable[R], format: str, path: Path, layout: Layout[R], *, raw: bool = False
) -> int:
    """Write the file whole or not at all, for this user alone; return the number of rows.

    Raises FileUnwritable.
    """
    with translate_write_errors(path), replacing(path, FILE_MODE) as partial:
        if format == "parquet":
            return write_parquet(rows, partial, layout)
        with partial.open("w", encoding="utf-8", newline="") as file:
            return write(rows, format, file, layout, raw=raw)


def _csv_value(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return ",".join(value)
    return value if isinstance(value, str) else as_json_value(value)
