"""`plumbline label`: the true labels of texts, which people or time provide after the scoring."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Annotated

import typer
from sqlalchemy import Engine

from plumbline.cli.database import database
from plumbline.cli.file_options import (
    DelimiterOption,
    EncodingOption,
    NegativeOption,
    PositiveOption,
)
from plumbline.cli.label_counts import LabelCounts, SkippedRow
from plumbline.cli.label_rows import (
    LONGEST_QUOTE,
    FileLabel,
    LabelColumns,
    LabelRow,
    check_source,
    job_namer,
    parse_rows,
)
from plumbline.cli.output.console import err, out
from plumbline.cli.output.json_output import print_json, print_jsonl
from plumbline.cli.user import current_user
from plumbline.errors import FileUnreadable
from plumbline.files import Format, InvalidRow, Problem, ReadOptions, TextFile, format_of, name_of
from plumbline.labels import LabelValues, parse_label
from plumbline.services import connected
from plumbline.settings import Settings
from plumbline_client.errors import StorageError
from storage import labellers
from storage.database import now
from storage.jobs import labels
from storage.jobs.contradictions import Contradictions, find_contradictions
from storage.jobs.labels import LabelOutcome

BATCH_ROWS = 1_000
UNKNOWN_JOB = "unknown_job"
REFUSED = "refused"


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
    positive: PositiveOption = None,
    negative: NegativeOption = None,
    sampling_column: Annotated[
        str,
        typer.Option(
            help="Column with random, uncertain or unfamiliar, how the text was chosen, if the "
            'file has it; "" ignores it.'
        ),
    ] = "sampling",
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

    A row with an empty label is not labelled yet, so a sample may be half done. Invalid and refused
    rows are skipped and reported by line number; the command then exits with 1.
    """
    settings = Settings.read()
    job_of = job_namer(key_column, source, settings.source)
    if by is not None:
        check_source("--by", by)
    values = LabelValues.parse(positive or [], negative or [])
    columns = LabelColumns(label_column, key_column or job_column, sampling_column, values)
    counts = LabelCounts()
    options = ReadOptions.parse(encoding, delimiter)
    with TextFile(file, table_format(file, format), columns, options) as rows:
        try:
            with database(connected(settings)) as engine, err.status("storing labels ..."):
                labeller, started_at = begin(engine, by)
                labelled = parse_rows(without_unlabelled(rows, counts), job_of, labeller)
                for batch in batches(labelled):
                    outcome, skipped = add_labels(engine, batch)
                    counts.add(outcome, skipped, contradicting(batch, outcome, started_at))
                    if as_json:
                        print_jsonl(row.document() for row in skipped)
                counts.contradictions = contradictions(engine, labeller, started_at)
        except (StorageError, KeyboardInterrupt):
            print_interrupted(counts)
            raise
    if as_json:
        others = {} if values is None else dict(values.others.most_common())
        print_json(
            {"kind": "summary", "source": labeller, **counts.document(), "other_values": others}
        )
    else:
        print_counts(counts, name_of(file), values)
    if counts.unusable or counts.refused:
        raise typer.Exit(1)


def begin(engine: Engine, by: str | None) -> tuple[str, datetime]:
    """Return the labeller's name, and PostgreSQL's time before the first label."""
    with engine.connect() as connection:
        labeller = labellers.own_name(connection, current_user()) if by is None else by
        return labeller, now(connection)


def contradictions(engine: Engine, labeller: str, since: datetime) -> Contradictions:
    with engine.connect() as connection:
        return find_contradictions(connection, labeller, since)


def without_unlabelled(
    rows: Iterable[FileLabel | InvalidRow], counts: LabelCounts
) -> Iterator[FileLabel | InvalidRow]:
    """Yield the rows that have a label, and count the others."""
    for row in rows:
        if isinstance(row, FileLabel) and not row.label:
            counts.unlabelled += 1
        else:
            yield row


def table_format(file: str, format: Format | None) -> Format:
    """Return a format that has columns; raise FileUnreadable for plain text."""
    format = format or format_of(file)
    if format is Format.TEXT:
        raise FileUnreadable(
            "Labels need columns; name a .csv, .jsonl or .parquet file, or add --format."
        )
    return format


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


def contradicting(
    batch: Sequence[LabelRow | InvalidRow], outcome: LabelOutcome, started_at: datetime
) -> list[int]:
    """Return the lines whose label replaced a different one that this run stored before."""
    again = {job_id for job_id, time in outcome.replaced.items() if time > started_at}
    return [row.line for row in batch if isinstance(row, LabelRow) and row.job.job_id in again]


def skipped_row(row: LabelRow | InvalidRow, outcome: LabelOutcome) -> SkippedRow | None:
    """Return None if the row's label was stored."""
    if isinstance(row, InvalidRow):
        return SkippedRow("unusable", row.line, row.reason, row.problem)
    job = row.job
    if job.job_id in outcome.unknown:
        return SkippedRow("unknown", row.line, f"there is no {job}", UNKNOWN_JOB, job)
    if job.job_id in outcome.refused:
        reason = f"the {job} is of a source that belongs to others"
        return SkippedRow("refused", row.line, reason, REFUSED, job)
    if job.job_id in outcome.unusable:
        reason = unusable_reason(row.entry.label, outcome.unusable[job.job_id])
        return SkippedRow("unusable", row.line, reason, Problem.LABEL, job)
    return None


def unusable_reason(label: str, names: Sequence[str]) -> str:
    alternatives = (
        f" nor {' nor '.join(names)}"
        if names
        else "; class names are accepted once the job is scored"
    )
    return f"its label {label[:LONGEST_QUOTE]!r} is neither 0 nor 1{alternatives}"


def print_counts(counts: LabelCounts, file: str, values: LabelValues | None) -> None:
    out.print(counts.table())
    counts.errors.print()
    for sentence in counts.sentences():
        out.print(sentence, markup=False, soft_wrap=True)
    if values is not None and (others := values.sentence()):
        out.print(others, markup=False, soft_wrap=True)
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
