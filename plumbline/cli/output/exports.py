"""Results as files other programs read, written as they stream in."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, fields
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from plumbline.cli.extras import extra_needed
from plumbline.cli.output.console import as_json_value
from plumbline.errors import FileUnwritable

if TYPE_CHECKING:
    from plumbline_client.results import Result

FORMATS = ("csv", "jsonl", "parquet")
ROW_GROUP = 10_000


def write_json(results: Iterable[Result], file: TextIO) -> None:
    """One document, {"results": [...]}, a result a line."""
    file.write('{"results": [')
    for position, result in enumerate(results):
        file.write(",\n" if position else "\n")
        file.write(_json(result))
    file.write("\n]}\n")


def write(results: Iterable[Result], format: str, file: TextIO) -> int:
    """Write CSV or JSON lines; return how many results."""
    return (write_csv if format == "csv" else write_jsonl)(results, file)


def write_jsonl(results: Iterable[Result], file: TextIO) -> int:
    count = 0
    for result in results:
        file.write(_json(result) + "\n")
        count += 1
    return count


def write_csv(results: Iterable[Result], file: TextIO) -> int:
    """A header and a row each; notes in one cell, by commas; what is absent is empty."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(_columns())
    count = 0
    for result in results:
        values = asdict(result) | {"notes": ",".join(result.notes)}
        writer.writerow(_plain(value) for value in values.values())
        count += 1
    return count


def write_parquet(results: Iterable[Result], path: Path) -> int:
    with extra_needed("Parquet", "parquet"):
        import pyarrow
        import pyarrow.parquet

    schema = parquet_schema()
    stream, count = iter(results), 0
    with pyarrow.parquet.ParquetWriter(path, schema) as writer:
        while rows := [asdict(result) for result in islice(stream, ROW_GROUP)]:
            for row in rows:
                row["job_id"] = str(row["job_id"])
            writer.write_table(pyarrow.Table.from_pylist(rows, schema=schema))
            count += len(rows)
    return count


def save(results: Iterable[Result], format: str, path: Path) -> int:
    """Write the file whole or not at all; return how many results. Raises FileUnwritable."""
    part = path.with_name(path.name + ".part")
    try:
        count = _save(results, format, part)
        part.replace(path)
    except OSError as error:
        raise FileUnwritable(f"{path} cannot be written: {error.strerror or error}.") from error
    finally:
        with suppress(OSError):
            part.unlink()
    return count


def parquet_schema() -> Any:
    import pyarrow

    kinds: dict[str, Any] = {
        "notes": pyarrow.list_(pyarrow.string()),
        **dict.fromkeys(("created_at", "finished_at", "scored_at"), pyarrow.timestamp("us", "UTC")),
        **dict.fromkeys(("attempts", "tokens", "windows"), pyarrow.int32()),
        **dict.fromkeys(("probability", "confidence", "queue_ms", "score_ms"), pyarrow.float64()),
    }
    return pyarrow.schema([(name, kinds.get(name, pyarrow.string())) for name in _columns()])


def _save(results: Iterable[Result], format: str, path: Path) -> int:
    if format == "parquet":
        return write_parquet(results, path)
    with path.open("w", encoding="utf-8", newline="") as file:
        return write(results, format, file)


def _columns() -> list[str]:
    from plumbline_client.results import Result

    return [field.name for field in fields(Result)]


def _json(result: Result) -> str:
    return json.dumps(asdict(result), default=as_json_value, ensure_ascii=False)


def _plain(value: Any) -> Any:
    return as_json_value(value) if value is not None and not isinstance(value, str) else value
