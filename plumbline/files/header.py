"""The columns of a file: which exist, and that those to be read exist once."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from plumbline.errors import FileUnreadable
from plumbline.files.rows import RowColumns

# A first line without column names may consist of texts, which no error quotes whole.
LONGEST_NAME = 40
MAX_NAMES = 30
# A column name of more words is probably a text.
LONGEST_WORDS = 3


def columns_to_read(name: str, present: Sequence[str], columns: RowColumns[object]) -> list[str]:
    """Return the columns to read of the file `name`. Raises FileUnreadable.

    An optional column is returned under the name that the file gives it.
    """
    for column in columns.names:
        if column not in present:
            raise FileUnreadable(_missing(name, column, present))
    optional = {plain_name(column) for column in columns.optional}
    wanted = [*columns.names, *(column for column in present if plain_name(column) in optional)]
    for column in columns.names:
        if present.count(column) > 1:
            raise FileUnreadable(_doubled(name, present.count(column), column))
    for column in optional:
        alike = [other for other in present if plain_name(other) == column]
        if len(alike) > 1:
            raise FileUnreadable(_doubled(name, len(alike), column))
    return list(dict.fromkeys(wanted))


def optional_value(values: Mapping[str, object], column: str) -> object:
    """Return the value of an optional column, or None if the row has none."""
    if column in values:
        return values[column]
    plain = plain_name(column)
    return next((value for name, value in values.items() if plain_name(name) == plain), None)


def plain_name(column: str) -> str:
    """Return a name without what does not distinguish optional columns."""
    return column.strip().casefold()


def missing_sentence(column: str, present: Sequence[str]) -> str:
    """Return that a column is missing, and which there are, without a full stop."""
    names = [_quoted(other) for other in present[:MAX_NAMES]]
    names += [f"and {len(present) - MAX_NAMES} more"] if len(present) > MAX_NAMES else []
    return f"has no column {column!r}; its columns are: {', '.join(names) or 'none'}"


def _missing(name: str, column: str, present: Sequence[str]) -> str:
    alike = next((other for other in present if plain_name(other) == plain_name(column)), None)
    advice = "" if alike is None else f" Did you mean {alike!r}?"
    if len(present) == 1 and re.search(rf"(?<!\w){re.escape(column)}(?!\w)", present[0]):
        advice = advice or " Name the character between its columns with --delimiter."
    if any(other[:1].isdigit() or len(other.split()) > LONGEST_WORDS for other in present):
        advice = advice or " A file needs a first line with the names of its columns."
    return f"{name} {missing_sentence(column, present)}.{advice}"


def _doubled(name: str, count: int, column: str) -> str:
    return f"{name} has {count} columns named {column!r}; rename all but one of them."


def _quoted(column: str) -> str:
    """Return a name as it is if it is one, in quotes if spaces or an odd length hide what it is."""
    if len(column) > LONGEST_NAME:
        return f"{column[:LONGEST_NAME]!r}..."
    return column if column and column == column.strip() and column.isprintable() else repr(column)
