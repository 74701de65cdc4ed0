"""One JSON object per line."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from plumbline.files.rows import InvalidRow, Problem, type_name

LONGEST_REASON = 200


class _Object(dict[str, Any]):
    """A JSON object that remembers which of its names occur twice."""

    doubled: frozenset[str] = frozenset()


def json_rows(
    lines: Iterable[tuple[int, str | InvalidRow]], columns: Collection[str]
) -> Iterator[tuple[int, dict[str, Any] | InvalidRow]]:
    """Yield the values of each line. A name may occur twice if it is not one of the columns."""
    for number, line in lines:
        if isinstance(line, InvalidRow):
            yield number, line
        elif line.strip():
            yield number, _parse_object(number, line, columns)


def _parse_object(number: int, line: str, columns: Collection[str]) -> dict[str, Any] | InvalidRow:
    try:
        values = json.loads(line, object_pairs_hook=_object, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        reason = str(error).splitlines()[0][:LONGEST_REASON].rstrip(".")
        return InvalidRow(number, f"it is not JSON: {reason}", Problem.NOT_JSON)
    if not isinstance(values, _Object):
        reason = f"it is {type_name(values)}, not a JSON object"
        return InvalidRow(number, reason, Problem.NOT_JSON)
    for name in columns:
        if name in values.doubled:
            return InvalidRow(number, f"it has {name!r} more than once", Problem.DOUBLED_NAME)
    return values


def _object(pairs: list[tuple[str, Any]]) -> _Object:
    values = _Object(pairs)
    if len(values) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        values.doubled = frozenset(name for name, count in counts.items() if count > 1)
    return values


def _refuse_constant(name: str) -> None:
    # Python's own extension; json.dumps writes these for floats that are not finite.
    raise ValueError(f"{name} is not a JSON value")
