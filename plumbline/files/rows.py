"""What a file consists of: rows, and lines that are not rows."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, time
from decimal import Decimal
from enum import StrEnum
from typing import Any, Protocol, TypeVar

R_co = TypeVar("R_co", covariant=True)


class Problem(StrEnum):
    """Why a row is skipped. The values are keys of the summaries that commands print as JSON."""

    ENCODING = "wrong_encoding"
    TOO_LONG = "too_long"
    OPEN_QUOTE = "open_quote"
    MISPLACED_QUOTE = "misplaced_quote"
    VALUE_COUNT = "wrong_number_of_values"
    HEADER = "repeated_header"
    NOT_JSON = "not_json"
    DOUBLED_NAME = "doubled_name"
    MISSING = "missing_value"
    TYPE = "wrong_type"
    KEY = "invalid_key"
    LABEL = "unknown_label"
    SPLIT = "unknown_split"
    SAMPLING = "unknown_sampling"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Row:
    """One text of a file. `line` is its first line, or its row in a Parquet file."""

    line: int
    text: str
    key: str | None = None


@dataclass(frozen=True, slots=True)
class InvalidRow:
    """A line without a usable text. The reason never quotes a text."""

    line: int
    reason: str
    problem: Problem = field(default=Problem.UNREADABLE, compare=False)


class RowColumns(Protocol[R_co]):
    """The columns that a command reads, and what it makes of their values."""

    @property
    def names(self) -> Sequence[str]:
        """The columns that a file must have."""
        ...

    @property
    def optional(self) -> Sequence[str]:
        """The columns that are read if a file has them; case and spaces around do not matter."""
        ...

    def parse_row(self, line: int, values: Mapping[str, Any]) -> R_co | InvalidRow: ...


@dataclass(frozen=True, slots=True)
class Columns:
    """The names of the columns with the text and, if the rows have keys, the key."""

    text: str = "text"
    key: str | None = None

    @property
    def names(self) -> list[str]:
        return [self.text] if self.key is None else [self.text, self.key]

    @property
    def optional(self) -> list[str]:
        return []

    def parse_row(self, line: int, values: Mapping[str, Any]) -> Row | InvalidRow:
        """Return the row with these values. A row without an expected key is invalid."""
        if (missing := missing_column(line, self.names, values)) is not None:
            return missing
        text = parse_text(line, self.text, values[self.text])
        if isinstance(text, InvalidRow) or self.key is None:
            return text if isinstance(text, InvalidRow) else Row(line, text)
        key = _key(values[self.key])
        if key is None:
            reason = f"its key {self.key!r} is {type_name(values[self.key])}"
            return InvalidRow(line, reason, Problem.KEY)
        return Row(line, text, key)


def missing_column(line: int, names: Sequence[str], values: Mapping[str, Any]) -> InvalidRow | None:
    """Return an invalid row if a JSON object lacks one of these names."""
    for name in names:
        if name not in values:
            return InvalidRow(line, f"it has no {name!r}", Problem.MISSING)
    return None


def parse_text(line: int, name: str, value: Any) -> str | InvalidRow:
    """Return the string. The bytes of a Parquet file without a type for text must be UTF-8."""
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return InvalidRow(line, f"its {name!r} is not UTF-8", Problem.ENCODING)
    problem = Problem.MISSING if is_missing(value) else Problem.TYPE
    return InvalidRow(line, f"its {name!r} is {type_name(value)}, not a string", problem)


def is_missing(value: object) -> bool:
    """Return whether a value is null, or the NaN that pandas writes instead of it."""
    return value is None or (isinstance(value, float) and value != value)


def type_name(value: Any) -> str:
    """Return how a sentence names a value, without quoting it."""
    if value is None:
        return "null"
    if value in ("", b""):
        return "empty"
    if is_missing(value):
        return "NaN"
    names: dict[type, str] = {bool: "true or false", int: "a number", float: "a number"}
    names |= {Decimal: "a number", str: "a string", bytes: "bytes", list: "a list"}
    if type(value) in names:
        return names[type(value)]
    return "a time" if isinstance(value, date | time) else "an object"


def _key(value: Any) -> str | None:
    if isinstance(value, Decimal) and value.is_finite() and value == int(value):
        # A whole number of a database whose only type for numbers is a decimal one.
        return str(int(value))
    if isinstance(value, int | uuid.UUID) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, bytes):
        try:
            value = value.decode()
        except UnicodeDecodeError:
            return None
    return value if isinstance(value, str) and value else None
