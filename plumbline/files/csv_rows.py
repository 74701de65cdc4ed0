"""CSV, strictly: a quote that is not closed costs its own line, not the lines that follow it.

The module `csv` parses. After an error the quote's line is invalid, and reading resumes with the
line after it.
"""

from __future__ import annotations

import csv
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from plumbline.errors import FileUnreadable
from plumbline.files.lines import LONGEST_LINE, Line, Lines
from plumbline.files.rows import InvalidRow, Problem

DELIMITERS = (",", ";", "\t", "|")
# The first line that Excel writes or reads to name the delimiter.
EXCEL_DELIMITER = re.compile(r'"?sep=(.)"?[\r\n]*', re.IGNORECASE)
# Reading a line that belonged to a failed row resumes at most this far, so that a file of quotes
# that are never closed takes linear time.
RECOVERED_LINES = 100
# More than any header has.
MAX_COLUMNS = 2**31
QUOTE = '"'
OPEN_QUOTE = "the quote that opens in this line is not closed"
TEXT_AFTER_QUOTE = "text follows a closing quote; a quote within a quoted text is written twice"
BARE_QUOTE = "a quote stands within a value that is not quoted"
REPEATED_HEADER = "it repeats the names of the columns"
DELIMITER_NAMES = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a pipe"}


@dataclass(frozen=True, slots=True)
class Record:
    """The values of one row that begins in `line` and ends in `last_line`."""

    line: int
    last_line: int
    values: list[str]


class CsvFile:
    """The header and the records of a CSV file. Raises FileUnreadable if the header is invalid.

    Without `delimiter`, the header decides: it is the one that separates the columns to read,
    otherwise the one that separates most columns.
    """

    def __init__(
        self, name: str, lines: Lines, columns: Sequence[str], delimiter: str | None = None
    ) -> None:
        self._lines = lines
        first = _first_line(lines)
        if first is not None and (excel := EXCEL_DELIMITER.fullmatch(first.text)):
            delimiter = delimiter or excel[1]
        elif first is not None:
            lines.give_back([first], recovered=False)
        candidates = DELIMITERS if delimiter is None else (delimiter,)
        headers = [_Header.read(lines, candidate) for candidate in candidates]
        best = max(headers, key=lambda header: header.agreement(columns))
        if len(best.names) < 2 and not {*best.names} & {*columns}:
            # The separator of a header with an open quote is unknown.
            best = next((header for header in headers if header.invalid is not None), best)
        if best.invalid is not None:
            raise FileUnreadable(f"{name}, line {best.invalid.line}: {best.invalid.reason}.")
        self.header, self._delimiter = best.names, best.delimiter
        for _ in range(best.lines):
            lines.take()

    def __iter__(self) -> Iterator[Record | InvalidRow]:
        for record in records(self._lines, self._delimiter, len(self.header)):
            if isinstance(record, InvalidRow):
                yield record
            elif _is_blank(record.values, len(self.header)):
                continue
            elif len(record.values) != len(self.header):
                # Its first part alone would be a silently truncated text.
                yield _invalid_width(record, len(self.header), self._delimiter)
            elif record.values == self.header and len(self.header) > 1:
                # The file was joined from several.
                yield InvalidRow(record.line, REPEATED_HEADER, Problem.HEADER)
            else:
                yield record


def records(lines: Lines, delimiter: str, width: int) -> Iterator[Record | InvalidRow]:
    """Yield the records that are not blank, and why the others cannot be read."""
    feed = _Feed(lines)
    reader = _csv_reader(feed, delimiter)
    # After an invalid quote, the next lines may be the rest of its text.
    in_doubt = False
    while True:
        feed.begin()
        try:
            values = next(reader)
        except StopIteration:
            return
        except (csv.Error, _TooLong):
            invalid = _explain(feed.taken, delimiter, width, lines.encoding)
            rest = [line for line in feed.taken if line.number > invalid.line]
            lines.give_back(rest, recovered=True)
            in_doubt = invalid.problem is not Problem.TOO_LONG
            yield invalid
            continue
        first, last = feed.taken[0], feed.taken[-1]
        quotes = _follow_quotes(feed.taken, delimiter) if first.recovered or in_doubt else NO_QUOTES
        in_doubt = in_doubt and quotes.bare > 0
        if (undecodable := feed.invalid()) is not None:
            yield undecodable
        elif quotes.bare % 2:
            lines.give_back(feed.taken[1:], recovered=True)
            yield InvalidRow(first.number, BARE_QUOTE, Problem.MISPLACED_QUOTE)
        elif values:
            yield Record(first.number, last.number, values)


@dataclass(frozen=True, slots=True)
class _Header:
    """The column names in the first record of a file, if this is its delimiter."""

    delimiter: str
    names: list[str]
    lines: int
    invalid: InvalidRow | None

    @classmethod
    def read(cls, lines: Lines, delimiter: str) -> _Header:
        """Read the header and give its lines back."""
        feed, invalid = _Feed(lines), None
        try:
            names = next(_csv_reader(feed, delimiter), [])
            invalid = feed.invalid()
        except (csv.Error, _TooLong):
            names, invalid = [], _explain(feed.taken, delimiter, MAX_COLUMNS, lines.encoding)
        lines.give_back(feed.taken, recovered=False)
        return cls(delimiter, names, len(feed.taken), invalid)

    def agreement(self, columns: Sequence[str]) -> tuple[bool, int, int]:
        """Order headers by how well this delimiter separates the columns to read."""
        return (
            self.invalid is None,
            sum(column in self.names for column in columns),
            len(self.names),
        )


class _TooLong(Exception):
    """A record does not end within the lines that it may have."""


class _Feed:
    """Hands lines to the csv reader and keeps those of the current record."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self.begin()

    def begin(self) -> None:
        self.taken: list[Line] = []
        self._characters = 0

    def invalid(self) -> InvalidRow | None:
        """Return why a line of the record cannot be decoded, if one cannot."""
        reasons = (line.invalid(self._lines.encoding) for line in self.taken)
        return next((reason for reason in reasons if reason is not None), None)

    def __iter__(self) -> _Feed:
        return self

    def __next__(self) -> str:
        if self.taken and self.taken[0].recovered and len(self.taken) == RECOVERED_LINES:
            raise _TooLong
        line = self._lines.take()
        if line is None:
            raise StopIteration
        self.taken.append(line)
        self._characters += len(line.text)
        if line.too_long or self._characters > LONGEST_LINE:
            raise _TooLong
        return line.text


@dataclass(frozen=True, slots=True)
class _Quotes:
    """The quotes of some lines, up to one that is not closed or has text after its end.

    `opened` and `closed` are the indices of the lines with the last pair of quotes, and `values` is
    the number of values before it. `bare` counts the quotes within values that are not quoted.
    """

    opened: int = 0
    closed: int | None = 0
    values: int = 0
    bare: int = 0


NO_QUOTES = _Quotes()


def _follow_quotes(lines: Sequence[Line], delimiter: str) -> _Quotes:
    text = "".join(line.text for line in lines)
    separators = {delimiter, "\r", "\n", ""}
    bare, values, opened, closed, end = 0, 0, 0, 0, 0
    start = text.find(QUOTE)
    while start != -1:
        if start and text[start - 1] not in separators:
            bare, start = bare + 1, text.find(QUOTE, start + 1)
            continue
        values += text.count(delimiter, end, start)
        opened, closed = start, text.find(QUOTE, start + 1)
        while closed != -1 and text[closed + 1 : closed + 2] == QUOTE:
            closed = text.find(QUOTE, closed + 2)
        if closed == -1 or text[closed + 1 : closed + 2] not in separators:
            break
        end = closed + 1
        start = text.find(QUOTE, end)
    ends = [*accumulate(len(line.text) for line in lines)]
    closed_in = None if closed == -1 else bisect_right(ends, closed)
    return _Quotes(bisect_right(ends, opened), closed_in, values, bare)


def _explain(taken: list[Line], delimiter: str, width: int, encoding: str) -> InvalidRow:
    """Return which line's quote is the reason why the lines are not a record."""
    if len(taken) == 1 and (invalid := taken[0].invalid(encoding)):
        return invalid
    quotes = _follow_quotes(taken, delimiter)
    # With more values than columns, the quotes before this one are not what they seem either.
    line = taken[quotes.opened] if quotes.values < width else taken[0]
    if quotes.closed == quotes.opened and line is taken[quotes.opened]:
        return InvalidRow(line.number, TEXT_AFTER_QUOTE, Problem.MISPLACED_QUOTE)
    return InvalidRow(line.number, OPEN_QUOTE, Problem.OPEN_QUOTE)


def _invalid_width(record: Record, width: int, delimiter: str) -> InvalidRow:
    count = len(record.values)
    lines = f" up to line {record.last_line}" if record.last_line > record.line else ""
    # More values than columns come from a text with the delimiter, fewer from one that is cut.
    needed = DELIMITER_NAMES.get(delimiter, repr(delimiter)) if count > width else "a line break"
    return InvalidRow(
        record.line,
        f"it has {count} {'value' if count == 1 else 'values'}{lines} for {width} "
        f"{'column' if width == 1 else 'columns'}; a text with {needed} needs quotes around it",
        Problem.VALUE_COUNT,
    )


def _is_blank(values: Sequence[str], width: int) -> bool:
    """Return whether a row of several columns is white space without a delimiter, or delimiters
    alone, as spreadsheets write an empty row.
    """
    if width == 1 or len(values) not in (1, width):
        return False
    return values[0].isspace() if len(values) == 1 else not any(values)


def _csv_reader(feed: _Feed, delimiter: str) -> Iterator[list[str]]:
    csv.field_size_limit(LONGEST_LINE)
    return csv.reader(feed, delimiter=delimiter, strict=True)


def _first_line(lines: Lines) -> Line | None:
    """Return the first line that is not blank."""
    line = lines.take()
    while line is not None and not line.text.rstrip("\r\n"):
        line = lines.take()
    return line
