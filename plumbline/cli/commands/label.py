"""`plumbline label`: the true labels of texts, which people or time provide after the scoring."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Annotated, Any, Literal

import typer
from rich.table import Table
from sqlalchemy import Engine

from plumbline.cli.database import database
from plumbline.cli.file_options import DelimiterOption, EncodingOption
from plumbline.cli.output.console import count_table, err, out
from plumbline.cli.output.json_output import print_json, print_jsonl
from plumbline.cli.output.row_errors import RowErrors
from plumbline.cli.user import current_user
from plumbline.errors import FileUnreadable, OptionInvalid
from plumbline.files import (
    Columns,
    Format,
    InvalidRow,
    Problem,
    ReadOptions,
    Row,
    TextFile,
    format_of,
    name_of,
)
from plumbline.labels import label_text, parse_label, spelled_label
from plumbline.services import connected
from plumbline.settings import Settings
from plumbline_client.errors import SourceInvalid, StorageError
from plumbline_client.identity import LONGEST_KEY, LONGEST_SOURCE, invalid_reason, keyed_id
from storage import labellers
from storage.jobs import labels
from storage.jobs.labels import LabelEntry, LabelOutcome

BATCH_ROWS = 1_000
# In characters of an id or a label that an error sentence quotes.
LONGEST_QUOTE = 40
UNKNOWN_JOB = "unknown_job"
REFUSED = "refused"

SkipKind = Literal["unknown", "refused", "unusable"]


@dataclass(frozen=True, slots=True)
class LabelRow:
    """The label that one line of the file gives a job."""

    line: int
    entry: LabelEntry


@dataclass(frozen=True, slots=True)
class SkippedRow:
    """A line whose label was not stored, with the reason."""

    kind: SkipKind
    line: int
    error: str
    # Why in a word that programs can count by.
    problem: str = field(default="other", compare=False)


class LabelColumns(Columns):
    """The columns of the label and of its job. A label may be a number or a boolean as well."""

    __slots__ = ()

    def parse_row(self, line: int, values: Mapping[str, Any]) -> Row | InvalidRow:
        label = values.get(self.text)
        if isinstance(label, int | float | Decimal) and label == label:
            spelled = spelled_label(label)
            name = label_text(label) if spelled is None else str(spelled)
            values = {**values, self.text: name}
        return super().parse_row(line, values)


@dataclass(slots=True)
class LabelCounts:
    """How many labels were stored, and what happened to the others."""

    accepted: int = 0
    changed: int = 0
    known: int = 0
    unknown: int = 0
    refused: int = 0
    unusable: int = 0
    errors: RowErrors = field(default_factory=RowErrors)

    def add(self, outcome: LabelOutcome, skipped: Sequence[SkippedRow]) -> None:
        self.accepted += outcome.accepted
        self.changed += outcome.changed
        self.known += outcome.known
        for row in skipped:
            self.unknown += row.kind == "unknown"
            self.refused += row.kind == "refused"
            self.unusable += row.kind == "unusable"
            self.errors.add(row.line, row.error, row.problem)

    def counts(self) -> dict[str, int]:
        return {
            "accepted": self.accepted,
            "changed": self.changed,
            "known": self.known,
            "unknown": self.unknown,
            "refused": self.refused,
            "unusable": self.unusable,
        }

    def table(self) -> Table:
        notes = {
            "accepted": "",
            "changed": "replaced a different label",
            "known": "already; nothing was changed",
            "unknown": "name a job that does not exist",
            "refused": "name a job of a source that belongs to others",
            "unusable": "skipped",
        }
        return count_table(self.counts(), notes)


def label(
    file: Annotated[
        str,
        typer.Argument(
            help="A CSV, JSONL (also gzipped) or Parquet file, or - for standard input."
        ),
    ],
    format: Annotated[Format | None, typer.Option(help="Default: by the file name.")] = None,
    job_column: Annotated[str, typer.Option(help="Column with the job's id.")] = "job_id",
    key_column: Annotated[
        str | None,
        typer.Option(help="Column with the key the job was submitted with, instead of its id."),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(help="Submitter of the jobs with these keys. Default: PLUMBLINE_SOURCE."),
    ] = None,
    label_column: Annotated[
        str,
        typer.Option(help="Column with the label: 0, 1, false, true, or a class name like spam."),
    ] = "label",
    encoding: EncodingOption = None,
    delimiter: DelimiterOption = None,
    by: Annotated[
        str | None,
        typer.Option(
            help="Name of the labeller, whose new label of a job replaces the old. Default: you, "
            "or the role of the connection if it may label under no other name."
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON lines: one per skipped row, then the counts.")
    ] = False,
) -> None:
    """Store the true labels of texts, for `retrain --from-labels` to learn from.

    Invalid and refused rows are skipped and reported by line number; the command then exits with 1.
    """
    settings = Settings.read()
    job_id_of = job_id_parser(key_column, source, settings)
    if by is not None:
        check_source("--by", by)
    columns = LabelColumns(label_column, key_column or job_column)
    counts = LabelCounts()
    options = ReadOptions.parse(encoding, delimiter)
    with TextFile(file, table_format(file, format), columns, options) as rows:
        try:
            with database(connected(settings)) as engine, err.status("storing labels ..."):
                labeller = own_name(engine) if by is None else by
                for batch in batches(parse_rows(rows, job_id_of, labeller)):
                    outcome, skipped = add_labels(engine, batch)
                    counts.add(outcome, skipped)
                    if as_json:
                        print_jsonl(map(asdict, skipped))
        except (StorageError, KeyboardInterrupt):
            print_interrupted(counts)
            raise
    if as_json:
        details = {"skipped": counts.errors.kinds.document()}
        print_json({"kind": "summary", "source": labeller, **counts.counts(), **details})
    else:
        print_counts(counts, name_of(file))
    if counts.unusable or counts.refused:
        raise typer.Exit(1)


def own_name(engine: Engine) -> str:
    """Return the name of this user, or that of the role if it may label under no other."""
    with engine.connect() as connection:
        return labellers.own_name(connection, current_user())


def table_format(file: str, format: Format | None) -> Format:
    """Return a format that has columns; raise FileUnreadable for plain text."""
    format = format or format_of(file)
    if format is Format.TEXT:
        raise FileUnreadable(
            "Labels need columns; name a .csv, .jsonl or .parquet file, or add --format."
        )
    return format


def job_id_parser(
    key_column: str | None, source: str | None, settings: Settings
) -> Callable[[str], uuid.UUID]:
    """Return the function that turns a row's id or key into a job id.

    That function raises ValueError with the reason if it cannot.
    """
    if key_column is None:
        if source is not None:
            raise OptionInvalid("--source needs --key-column; a job's id is enough without it.")
        return parse_job_id
    submitter = check_source("--source", settings.source if source is None else source)
    return lambda key: parse_key(submitter, key)


def parse_job_id(job_id: str) -> uuid.UUID:
    try:
        return uuid.UUID(job_id.strip())
    except ValueError as error:
        raise ValueError(f"{job_id[:LONGEST_QUOTE]!r} is not a job id") from error


def parse_key(source: str, key: str) -> uuid.UUID:
    if reason := invalid_reason(key, LONGEST_KEY):
        raise ValueError(f"its key {reason}")
    return keyed_id(source, key)


def check_source(option: str, source: str) -> str:
    if reason := invalid_reason(source, LONGEST_SOURCE):
        raise SourceInvalid(f"{option} {reason}.")
    return source


def parse_rows(
    rows: Iterable[Row | InvalidRow], job_id_of: Callable[[str], uuid.UUID], labeller: str
) -> Iterator[LabelRow | InvalidRow]:
    for row in rows:
        if isinstance(row, InvalidRow):
            yield row
            continue
        assert row.key is not None, "the columns of labels always include a key"
        try:
            job_id, label = job_id_of(row.key), row.text.strip()
        except ValueError as reason:
            yield InvalidRow(row.line, str(reason), Problem.KEY)
            continue
        yield LabelRow(row.line, LabelEntry(job_id, label, labeller))


def batches(
    rows: Iterable[LabelRow | InvalidRow], size: int = BATCH_ROWS
) -> Iterator[list[LabelRow | InvalidRow]]:
    """Split rows into batches without a repeated job, so that the last of its labels wins."""
    batch: list[LabelRow | InvalidRow] = []
    jobs: set[uuid.UUID] = set()
    for row in rows:
        job_id = row.entry.job_id if isinstance(row, LabelRow) else None
        if len(batch) == size or job_id in jobs:
            yield batch
            batch, jobs = [], set()
        batch.append(row)
        if job_id is not None:
            jobs.add(job_id)
    if batch:
        yield batch


def add_labels(
    engine: Engine, batch: Sequence[LabelRow | InvalidRow]
) -> tuple[LabelOutcome, list[SkippedRow]]:
    """Store the labels of a batch in one transaction; return also the rows without a usable one."""
    entries = [row.entry for row in batch if isinstance(row, LabelRow)]
    with engine.begin() as connection:
        outcome = labels.add(connection, entries, parse_label)
    skipped = (skipped_row(row, outcome) for row in batch)
    return outcome, [row for row in skipped if row is not None]


def skipped_row(row: LabelRow | InvalidRow, outcome: LabelOutcome) -> SkippedRow | None:
    """Return None if the row's label was stored."""
    if isinstance(row, InvalidRow):
        return SkippedRow("unusable", row.line, row.reason, row.problem)
    job_id = row.entry.job_id
    if job_id in outcome.unknown:
        return SkippedRow("unknown", row.line, f"there is no job {job_id}", UNKNOWN_JOB)
    if job_id in outcome.refused:
        reason = f"job {job_id} is of a source that belongs to others"
        return SkippedRow("refused", row.line, reason, REFUSED)
    if job_id in outcome.unusable:
        reason = unusable_reason(row.entry, outcome)
        return SkippedRow("unusable", row.line, reason, Problem.LABEL)
    return None


def unusable_reason(entry: LabelEntry, outcome: LabelOutcome) -> str:
    names = outcome.unusable[entry.job_id]
    alternatives = (
        f" nor {' nor '.join(names)}"
        if names
        else "; class names are accepted once the job is scored"
    )
    return f"its label {entry.label[:LONGEST_QUOTE]!r} is neither 0 nor 1{alternatives}"


def print_counts(counts: LabelCounts, file: str) -> None:
    out.print(counts.table())
    counts.errors.print()
    if not any(counts.counts().values()):
        out.print(f"{file} contains no labels.", markup=False, soft_wrap=True)


def print_interrupted(counts: LabelCounts) -> None:
    """Print that stored labels stay stored; the same file may be given again."""
    stored = counts.accepted + counts.changed + counts.known
    if stored:
        err.print(
            f"Stopped after at least {stored:,} labels, which stay stored; run the command again "
            "with the same file.",
            soft_wrap=True,
        )
