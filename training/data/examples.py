"""Labelled texts: reading and checking them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plumbline_client.errors import TextRefused
from plumbline_client.text import clean
from training.data.row_reader import read_rows
from training.errors import DataInvalid

TRAIN, VALIDATION, TEST = "train", "validation", "test"
SPLITS = (TRAIN, VALIDATION, TEST)
MIN_EXAMPLES = 50


@dataclass(frozen=True, slots=True)
class Example:
    """One labelled text. `label` is 1 for the positive class; `split` is "" if it is undecided."""

    text: str
    label: int
    split: str = ""


def read_examples(
    path: Path, text_column: str = "text", label_column: str = "label"
) -> list[Example]:
    """Read CSV (also .gz), JSONL or Parquet, leaving out empty texts.

    Raises DataInvalid if the file or a row cannot be read. `check_examples` checks the result.
    """
    examples = []
    for number, row in enumerate(read_rows(path), start=1):
        example = _example(row, f"{path}, row {number}", text_column, label_column)
        if example is not None:
            examples.append(example)
    return examples


def read_texts(path: Path, text_column: str = "text") -> list[str]:
    """Read only the texts, labelled or not, leaving out empty texts and the test split.

    Raises DataInvalid as `read_examples` does.
    """
    texts = []
    for number, row in enumerate(read_rows(path), start=1):
        if text_column not in row:
            raise _column_missing(f"{path}, row {number}", text_column, row)
        text = _text(row[text_column])
        if text is not None and row.get("split") != TEST:
            texts.append(text)
    if not texts:
        raise DataInvalid(f"{path} contains no non-empty text.")
    return texts


def check_examples(examples: Sequence[Example], name: str) -> None:
    """Raise DataInvalid unless there are enough texts of both classes."""
    if not examples:
        raise DataInvalid(f"{name} contains no non-empty text.")
    if len(examples) < MIN_EXAMPLES:
        raise DataInvalid(
            f"{name} contains {len(examples)} labelled texts; training needs at least "
            f"{MIN_EXAMPLES}."
        )
    classes = Counter(example.label for example in examples)
    if len(classes) < 2:
        only = next(iter(classes))
        raise DataInvalid(f"{name} contains only texts labelled {only}; training needs 0 and 1.")


def normalise(text: str) -> str:
    """Lower-case the text and collapse white space. Texts with the same result are duplicates."""
    return " ".join(text.lower().split())


def _example(
    row: dict[str, Any], place: str, text_column: str, label_column: str
) -> Example | None:
    for column in (text_column, label_column):
        if column not in row:
            raise _column_missing(place, column, row)
    label = str(row[label_column]).strip()
    if label not in ("0", "1"):
        raise DataInvalid(f"{place} has the label {label!r}; labels are 0 or 1.")
    text = _text(row[text_column])
    if text is None:
        return None
    split = str(row.get("split") or "")
    return Example(text, int(label), split if split in SPLITS else "")


def _column_missing(place: str, column: str, row: dict[str, Any]) -> DataInvalid:
    columns = ", ".join(map(str, row)) or "none"
    return DataInvalid(f"{place} has no column {column!r}; its columns are: {columns}.")


def _text(value: Any) -> str | None:
    try:
        return clean(str(value or "")).text
    except TextRefused:
        return None
