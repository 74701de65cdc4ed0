"""The rows of a file of labels: which job each is about, its label, and how its text was chosen."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from plumbline.errors import OptionInvalid
from plumbline.files import Columns, InvalidRow, Problem
from plumbline.files.header import optional_value
from plumbline.files.rows import is_missing, missing_column
from plumbline.labels import LabelValues, label_text, spelled_label
from plumbline_client.errors import SourceInvalid
from plumbline_client.identity import LONGEST_KEY, LONGEST_SOURCE, invalid_reason, keyed_id
from storage.jobs.labels import LabelEntry
from storage.states import Sampling

# In characters of an id, a label or another value that an error sentence quotes.
LONGEST_QUOTE = 40
# A key is quoted to be recognised.
LONGEST_QUOTED_KEY = 100


@dataclass(frozen=True, slots=True)
class JobName:
    """A job as the file names it: by its id, or by the key and source of its submission."""

    job_id: uuid.UUID
    key: str | None = None
    source: str | None = None

    def __str__(self) -> str:
        if self.key is None:
            return f"job {self.job_id}"
        key = repr(self.key[:LONGEST_QUOTED_KEY])
        key += "..." if len(self.key) > LONGEST_QUOTED_KEY else ""
        return f"job with the key {key} of the source {self.source!r}"


# Returns the job that a row's id or key names; raises ValueError with the reason if it cannot.
JobNamer = Callable[[str], JobName]


@dataclass(frozen=True, slots=True)
class FileLabel:
    """One row of the file. An empty `label` is one that nobody has given yet."""

    line: int
    label: str
    job: str
    sampling: Sampling | None = None


@dataclass(frozen=True, slots=True)
class LabelRow:
    """The label that one line of the file gives a job."""

    line: int
    job: JobName
    entry: LabelEntry


@dataclass(frozen=True, slots=True)
class LabelColumns:
    """The columns of the label, of its job and, if the file has it, of the sampling.

    A label may be a number or a boolean as well. `values` are those that the options name.
    """

    label: str = "label"
    job: str = "job_id"
    sampling: str = "sampling"
    values: LabelValues | None = None

    @property
    def names(self) -> list[str]:
        return [self.label, self.job]

    @property
    def optional(self) -> list[str]:
        return [self.sampling] if self.sampling else []

    def parse_row(self, line: int, values: Mapping[str, Any]) -> FileLabel | InvalidRow:
        if (missing := missing_column(line, self.names, values)) is not None:
            return missing
        label = values[self.label]
        if is_missing(label) or label_text(label) == "":
            return FileLabel(line, "", "")
        written = self._written(line, label)
        if isinstance(written, InvalidRow):
            return written
        row = Columns(self.label, self.job).parse_row(line, {**values, self.label: written})
        if isinstance(row, InvalidRow):
            return row
        assert row.key is not None, "the columns of labels always include a job"
        sampling = self._sampling(line, values)
        if isinstance(sampling, InvalidRow):
            return sampling
        return FileLabel(line, row.text, row.key, sampling)

    def _written(self, line: int, label: Any) -> Any:
        """Return 0 or 1 as a string if the label is known to mean it, otherwise the label."""
        is_number = isinstance(label, int | float | Decimal)
        if self.values is not None and (is_number or isinstance(label, str | bytes)):
            if (known := self.values.parse_label(label)) is None:
                names = " nor ".join(self.values.names())
                quoted = label_text(label)[:LONGEST_QUOTE]
                return InvalidRow(line, f"its label {quoted!r} is neither {names}", Problem.LABEL)
            return str(known)
        if not is_number:
            return label
        spelled = spelled_label(label)
        return label_text(label) if spelled is None else str(spelled)

    def _sampling(self, line: int, values: Mapping[str, Any]) -> Sampling | InvalidRow | None:
        value = optional_value(values, self.sampling) if self.sampling else None
        name = "" if is_missing(value) else label_text(value).casefold()
        if name and name not in set(Sampling):
            reason = (
                f"its {self.sampling!r} is {name[:LONGEST_QUOTE]!r}, which is none of "
                f"{', '.join(Sampling)}"
            )
            return InvalidRow(line, reason, Problem.SAMPLING)
        return Sampling(name) if name else None


def job_namer(key_column: str | None, source: str | None, default_source: str) -> JobNamer:
    """Return the function that finds out which job a row is about."""
    if key_column is None:
        if source is not None:
            raise OptionInvalid("--source needs --key-column; a job's id is enough without it.")
        return name_by_id
    submitter = check_source("--source", default_source if source is None else source)
    return lambda key: name_by_key(submitter, key)


def name_by_id(job_id: str) -> JobName:
    try:
        return JobName(uuid.UUID(job_id.strip()))
    except ValueError as error:
        raise ValueError(f"{job_id[:LONGEST_QUOTE]!r} is not a job id") from error


def name_by_key(source: str, key: str) -> JobName:
    if reason := invalid_reason(key, LONGEST_KEY):
        raise ValueError(f"its key {reason}")
    return JobName(keyed_id(source, key), key, source)


def check_source(option: str, source: str) -> str:
    if reason := invalid_reason(source, LONGEST_SOURCE):
        raise SourceInvalid(f"{option} {reason}.")
    return source


def parse_rows(
    rows: Iterable[FileLabel | InvalidRow], job_of: JobNamer, labeller: str
) -> Iterator[LabelRow | InvalidRow]:
    for row in rows:
        if isinstance(row, InvalidRow):
            yield row
            continue
        try:
            job = job_of(row.job)
        except ValueError as reason:
            yield InvalidRow(row.line, str(reason), Problem.KEY)
            continue
        entry = LabelEntry(job.job_id, row.label.strip(), labeller, row.sampling)
        yield LabelRow(row.line, job, entry)
