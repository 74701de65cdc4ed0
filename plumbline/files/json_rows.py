"""One JSON object per line."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from plumbline.errors import FileUnreadable
from plumbline.files.header import plain_name
from plumbline.files.rows import InvalidRow, Problem, RowColumns, type_name

LONGEST_REASON = 200
NumberedLine = tuple[int, str | InvalidRow]
NumberedValues = tuple[int, dict[str, Any] | InvalidRow]


class _Object(dict[str, Any]):
    """A JSON object that remembers which of its names occur twice."""

    doubled: frozenset[str] = frozenset()


def json_rows(
    name: str, lines: Iterable[NumberedLine], columns: RowColumns[object]
) -> Iterator[NumberedValues]:
    """Return the values of each line. A name may occur twice if it is not one of the columns.

    Raises FileUnreadable if the file begins like one JSON document of several lines.
    """
    rest = _without_blank_lines(lines)
    first = next(rest, None)
    if first is None:
        return iter(())
    if isinstance(first[1], str) and (document := _document(first[1].strip())):
        raise FileUnreadable(f"{name} {document}.")
    return _parse(chain([first], rest), columns)


def _document(first: str) -> str | None:
    """Return what the file is and what to do, if its first line is not a whole object."""
    if first.startswith("["):
        return "is one JSON array; write one object per line, as jq -c '.[]' does"
    if first == "{":
        return "has JSON objects of several lines; write each on one line, as jq -c . does"
    return None


def _without_blank_lines(lines: Iterable[NumberedLine]) -> Iterator[NumberedLine]:
    return ((n, line) for n, line in lines if isinstance(line, InvalidRow) or line.strip())


def _parse(lines: Iterable[NumberedLine], columns: RowColumns[object]) -> Iterator[NumberedValues]:
    for number, line in lines:
        if isinstance(line, InvalidRow):
            yield number, line
        else:
            yield number, _parse_object(number, line, columns)


def _parse_object(
    number: int, line: str, columns: RowColumns[object]
) -> dict[str, Any] | InvalidRow:
    try:
        values = json.loads(line, object_pairs_hook=_object, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        reason = str(error).splitlines()[0][:LONGEST_REASON].rstrip(".")
        return InvalidRow(number, f"it is not JSON: {reason}", Problem.NOT_JSON)
    if not isinstance(values, _Object):
        reason = f"it is {type_name(values)}, not a JSON object"
        return InvalidRow(number, reason, Problem.NOT_JSON)
    if (doubled := _doubled_column(values, columns)) is not None:
        return InvalidRow(number, f"it has {doubled!r} more than once", Problem.DOUBLED_NAME)
    return values


def _doubled_column(values: _Object, columns: RowColumns[object]) -> str | None:
    """Return a column that the object has twice; case does not distinguish optional columns."""
    for column in columns.names:
        if column in values.doubled:
            return column
    for column in columns.optional:
        alike = [name for name in values if plain_name(name) == plain_name(column)]
        if len(alike) > 1 or not values.doubled.isdisjoint(alike):
            return column
    return None


def _object(pairs: list[tuple[str, Any]]) -> _Object:
    values = _Object(pairs)
    if len(values) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        values.doubled = frozenset(name for name, count in counts.items() if count > 1)
    return values


def _refuse_constant(name: str) -> None:
    # Python's own extension; json.dumps writes these for floats that are not finite.
    raise ValueError(f"{name} is not a JSON value")
