"""Labelled texts: reading and checking them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from plumbline.errors import FileUnreadable
from plumbline.files import (
    Format,
    InvalidRow,
    ReadOptions,
    RowColumns,
    TextFile,
    format_of,
)
from plumbline.labels import LabelValues
from plumbline_client.errors import TextRefused
from plumbline_client.text import clean
from scoring.artifact.seen_texts import normalise
from training.data.data_report import REFUSED, REPLACED, DataReport, InvalidRows
from training.data.labelled_row import (
    LABEL_NAMES,
    SPLITS,
    TEST,
    TRAIN,
    VALIDATION,
    LabelledColumns,
    LabelledRow,
    TextColumns,
)
from training.errors import DataInvalid

__all__ = [
    "MIN_EXAMPLES",
    "SPLITS",
    "TEST",
    "TRAIN",
    "VALIDATION",
    "DataSource",
    "Example",
    "check_examples",
    "find_contradictions",
    "normalise",
    "read_examples",
    "read_texts",
]
MIN_EXAMPLES = 50


@dataclass(frozen=True, slots=True)
class Example:
    """One labelled text. `label` is 1 for the positive class; `split` is "" if it is undecided.

    `source` is who submitted it, "" if unknown; `file` and `line` are where it was read.
    """

    text: str
    label: int
    split: str = ""
    source: str = ""
    file: str = field(default="", compare=False)
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class DataSource:
    """How labelled files are read, as the options of `retrain` state it.

    `labels` are the class names that a label may be, besides 0 and 1; `values` are used instead if
    options name them. Rows that cannot be used are an error, or are left out if `skip_invalid`.
    """

    text_column: str = "text"
    label_column: str = "label"
    split_column: str = "split"
    labels: tuple[str, str] = LABEL_NAMES
    options: ReadOptions = field(default_factory=ReadOptions)
    skip_invalid: bool = False
    source_column: str = "source"
    values: LabelValues | None = None

    def read(self, path: Path, report: DataReport | None = None) -> list[Example]:
        """Return the labelled texts of a file; add what is left out or repaired to the report.

        Raises DataInvalid if the file cannot be read or has rows that cannot be used.
        """
        report = DataReport() if report is None else report
        columns = LabelledColumns(
            self.text_column,
            self.label_column,
            self.split_column,
            self.labels,
            self.source_column,
            self.values,
        )
        examples = []
        for row in self._rows(path, columns, report):
            if (text := _clean(row, path, report)) is not None:
                examples.append(
                    Example(text, row.label, row.split, row.source, path.name, row.line)
                )
        return examples

    def read_texts(self, path: Path, report: DataReport | None = None) -> list[str]:
        """Return the texts of a file, labelled or not, except those of the test split.

        Raises DataInvalid as `read` does.
        """
        report = DataReport() if report is None else report
        columns = TextColumns(self.text_column, self.split_column)
        texts = []
        for row in self._rows(path, columns, report):
            text = _clean(row, path, report)
            if text is not None and row.split != TEST:
                texts.append(text)
        if not texts:
            raise DataInvalid(f"{path} contains no non-empty text.")
        return texts

    def _rows(
        self, path: Path, columns: RowColumns[LabelledRow], report: DataReport
    ) -> Iterator[LabelledRow]:
        """Yield the rows that can be used. Raises DataInvalid for others, unless left out."""
        invalid, used = InvalidRows(), 0
        try:
            if (format := format_of(str(path))) is Format.TEXT:
                raise FileUnreadable(f"{path} has no columns; use a .csv, .jsonl or .parquet file.")
            with TextFile(str(path), format, columns, self.options) as rows:
                for row in rows:
                    if not isinstance(row, InvalidRow):
                        used += 1
                        yield row
                        continue
                    invalid.add(row)
                    if self.skip_invalid:
                        report.left_out.add(row.problem, f"{path}:{row.line}")
        except FileUnreadable as error:
            raise DataInvalid(str(error)) from error
        if invalid.count and not self.skip_invalid:
            raise DataInvalid(invalid.sentence(path))
        if invalid.count and not used:
            raise DataInvalid(invalid.sentence_of_all(path))


def read_examples(
    path: Path, text_column: str = "text", label_column: str = "label"
) -> list[Example]:
    """Read CSV, JSONL or Parquet, leaving out empty texts.

    Raises DataInvalid if the file or a row cannot be read. `check_examples` checks the result.
    """
    return DataSource(text_column, label_column).read(path)


def read_texts(path: Path, text_column: str = "text") -> list[str]:
    """Read only the texts, labelled or not, leaving out empty texts and the test split.

    Raises DataInvalid as `read_examples` does.
    """
    return DataSource(text_column).read_texts(path)


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


def find_contradictions(examples: Sequence[Example]) -> list[tuple[Example, Example]]:
    """Return the first example of each label, for each text that is labelled 0 as well as 1."""
    first: dict[str, dict[int, Example]] = {}
    for example in examples:
        first.setdefault(normalise(example.text), {}).setdefault(example.label, example)
    return [(labels[0], labels[1]) for labels in first.values() if len(labels) > 1]


def _clean(row: LabelledRow, path: Path, report: DataReport) -> str | None:
    """Return the text as the client would submit it, or None if it would be refused."""
    try:
        cleaned = clean(row.text)
    except TextRefused:
        report.left_out.add(REFUSED, f"{path}:{row.line}")
        return None
    if cleaned.notes:
        report.repaired.add(REPLACED, f"{path}:{row.line}")
    return cleaned.text
