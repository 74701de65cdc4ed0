"""What training makes of the columns of a file: a text, its label and its split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from plumbline.files import InvalidRow, Problem
from plumbline.files.header import missing_sentence, optional_value
from plumbline.files.rows import is_missing, parse_text, type_name
from plumbline.labels import LabelValues, label_text, parse_label

TRAIN, VALIDATION, TEST = "train", "validation", "test"
SPLITS = (TRAIN, VALIDATION, TEST)
SPLIT_SPELLINGS = {
    "train": TRAIN,
    "training": TRAIN,
    "validation": VALIDATION,
    "valid": VALIDATION,
    "val": VALIDATION,
    "dev": VALIDATION,
    "development": VALIDATION,
    "test": TEST,
    "testing": TEST,
}
LABEL_NAMES = ("ham", "spam")
# In characters of a label or split that an error quotes.
LONGEST_QUOTE = 40
LONGEST_SOURCE = 100


@dataclass(frozen=True, slots=True)
class LabelledRow:
    """One row of a file. `split` and `source` are "" if the row names none."""

    line: int
    text: str
    label: int
    split: str
    source: str = ""


@dataclass(frozen=True, slots=True)
class TextColumns:
    """The columns with the text and, if the file has it, the split."""

    text: str = "text"
    split: str = "split"

    @property
    def names(self) -> list[str]:
        return [self.text]

    @property
    def optional(self) -> list[str]:
        return [self.split] if self.split else []

    def parse_row(self, line: int, values: Mapping[str, Any]) -> LabelledRow | InvalidRow:
        """Return the row, with the label 0."""
        if (missing := _missing_column(line, self.names, values)) is not None:
            return missing
        value = values[self.text]
        # A missing text is an empty one: training leaves it out and counts it.
        text = "" if is_missing(value) else parse_text(line, self.text, value)
        if isinstance(text, InvalidRow):
            return text
        split = self._split(line, values)
        return split if isinstance(split, InvalidRow) else LabelledRow(line, text, 0, split)

    def _split(self, line: int, values: Mapping[str, Any]) -> str | InvalidRow:
        value = optional_value(values, self.split) if self.split else None
        name = "" if is_missing(value) else label_text(value)
        split = SPLIT_SPELLINGS.get(name.casefold(), "")
        if name and not split:
            reason = (
                f"its {self.split!r} is {name[:LONGEST_QUOTE]!r}, which is none of "
                f"{', '.join(SPLITS)}"
            )
            return InvalidRow(line, reason, Problem.SPLIT)
        return split


@dataclass(frozen=True, slots=True)
class LabelledColumns:
    """The columns with the text, the label and, if the file has them, the split and the source.

    `values` are those that mean a class, if options name them; otherwise `labels` do.
    """

    text: str = "text"
    label: str = "label"
    split: str = "split"
    labels: tuple[str, str] = LABEL_NAMES
    source: str = "source"
    values: LabelValues | None = None

    @property
    def names(self) -> list[str]:
        return [self.text, self.label]

    @property
    def optional(self) -> list[str]:
        return [name for name in (self.split, self.source) if name]

    def parse_row(self, line: int, values: Mapping[str, Any]) -> LabelledRow | InvalidRow:
        if (missing := _missing_column(line, self.names, values)) is not None:
            return missing
        row = TextColumns(self.text, self.split).parse_row(line, values)
        if isinstance(row, InvalidRow):
            return row
        value = values[self.label]
        if (label := self._parse_label(value)) is None:
            return InvalidRow(line, self._unknown_label(value), Problem.LABEL)
        return LabelledRow(line, row.text, label, row.split, self._source(values))

    def _source(self, values: Mapping[str, Any]) -> str:
        """Return the source, shortened: a column of this name may hold anything."""
        value = optional_value(values, self.source) if self.source else None
        return "" if is_missing(value) else label_text(value)[:LONGEST_SOURCE]

    def _parse_label(self, value: object) -> int | None:
        if self.values is None:
            return parse_label(value, self.labels)
        return None if isinstance(value, list | dict) else self.values.parse_label(value)

    def _unknown_label(self, value: object) -> str:
        quoted = type_name(value)
        if isinstance(value, str | int | float) and value != "":
            quoted = repr(label_text(value)[:LONGEST_QUOTE])
        if self.values is not None:
            names = " nor ".join(self.values.names())
            return f"its label {self.label!r} is {quoted}, which is neither {names}"
        return (
            f"its label {self.label!r} is {quoted}, which is neither 0 nor 1 nor "
            f"{' nor '.join(self.labels)}; name the classes with --labels, or the values that mean "
            "the positive class with --positive"
        )


def _missing_column(
    line: int, names: Sequence[str], values: Mapping[str, Any]
) -> InvalidRow | None:
    """Return an invalid row if a JSON object lacks a column."""
    missing = next((name for name in names if name not in values), None)
    if missing is None:
        return None
    return InvalidRow(line, f"it {missing_sentence(missing, list(values))}", Problem.MISSING)
