"""`plumbline label`: what texts truly were, told by people or by time, after they were scored."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.table import Table

from plumbline.cli.database import database
from plumbline.cli.output.console import counted, err, out, print_json, print_jsonl
from plumbline.cli.user import user
from plumbline.errors import FileUnreadable, OptionInvalid
from plumbline.files import BadRow, Columns, Format, Row, Texts, format_of
from plumbline.settings import Settings
from plumbline_client.errors import SourceInvalid, StorageError
from plumbline_client.identity import LONGEST_KEY, LONGEST_SOURCE, invalid_reason, keyed_id

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from storage.jobs.labels import Entry, Outcome

BATCH = 1_000
REASONS_SHOWN = 5
LONGEST_SHOWN = 40

Kind = Literal["unknown", "unusable"]


@dataclass(frozen=True, slots=True)
class Said:
    """What one line of the file says."""

    line: int
    entry: Entry


@dataclass(frozen=True, slots=True)
class Missed:
    """A line that was not taken, and why."""

    kind: Kind
    line: int
    error: str


class LabelColumns(Columns):
    """Columns of the label and of whose it is. A label may be a number, or true or false."""

    __slots__ = ()

    def pick(self, line: int, values: Mapping[str, Any]) -> Row | BadRow:
        label = values.get(self.text)
        if isinstance(label, int | float):
            said = str(int(label)) if label in (0, 1) else str(label)
            values = {**values, self.text: said}
        return super().pick(line, values)


@dataclass(slots=True)
class Tally:
    """What became of the rows so far; `reasons` are of the first that were not taken."""

    accepted: int = 0
    changed: int = 0
    known: int = 0
    unknown: int = 0
    unusable: int = 0
    reasons: list[tuple[int, str]] = field(default_factory=list)

    def add(self, outcome: Outcome, missed: Sequence[Missed]) -> None:
        self.accepted += outcome.accepted
        self.changed += outcome.changed
        self.known += outcome.known
        self.unknown += sum(row.kind == "unknown" for row in missed)
        self.unusable += sum(row.kind == "unusable" for row in missed)
        room = REASONS_SHOWN - len(self.reasons)
        self.reasons += [(row.line, row.error) for row in missed[:room]]

    def counts(self) -> dict[str, int]:
        return {name: value for name, value in asdict(self).items() if name != "reasons"}

    def table(self) -> Table:
        notes = {
            "accepted": "",
            "changed": "which said something else before",
            "known": "which said so before",
            "unknown": "of jobs that do not exist",
            "unusable": "not taken",
        }
        return counted(self.counts(), notes)


def label(
    file: Annotated[
        str, typer.Argument(help="CSV or JSONL (also .gz), Parquet, or - for standard input.")
    ],
    format: Annotated[Format | None, typer.Option(help="Default: by the name.")] = None,
    job_column: Annotated[str, typer.Option(help="Column of the job's id.")] = "job_id",
    key_column: Annotated[
        str | None, typer.Option(help="Column of the key it was submitted with, instead.")
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(help="Who submitted the jobs of these keys. Default: PLUMBLINE_SOURCE."),
    ] = None,
    label_column: Annotated[
        str, typer.Option(help="Column of the label: 0, 1, or a name as in ham or spam.")
    ] = "label",
    by: Annotated[
        str | None, typer.Option(help="Who says so; saying it again replaces. Default: you.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="JSON lines: one for each row not taken, then counts.")
    ] = False,
) -> None:
    """Tell what texts truly were, so that `retrain --from-labels` can learn from it.

    A row that cannot be used costs only itself: it is told by number, and the exit code is 1.
    """
    settings = Settings.read()
    whose = job_of(key_column, source, settings)
    teller = checked_source("--by", user() if by is None else by)
    columns = LabelColumns(label_column, key_column or job_column)
    tally = Tally()
    with Texts(file, table_format(file, format), columns) as rows:
        try:
            with database(settings) as engine, err.status("labelling ..."):
                for batch in batches(said(rows, whose, teller)):
                    outcome, missed = write(engine, batch)
                    tally.add(outcome, missed)
                    if as_json:
                        print_jsonl(asdict(row) for row in missed)
        except (StorageError, KeyboardInterrupt):
            tell_interrupted(tally)
            raise
    if as_json:
        print_json({"kind": "summary", "source": teller, **tally.counts()})
    else:
        tell(tally, file)
    if tally.unusable:
        raise typer.Exit(1)


def table_format(file: str, given: Format | None) -> Format:
    """A format with columns; raises FileUnreadable for one text a line."""
    format = given or format_of(file)
    if format is Format.TEXT:
        raise FileUnreadable(
            "Labels need columns; name a .csv, .jsonl or .parquet file, or say --format."
        )
    return format


def job_of(
    key_column: str | None, source: str | None, settings: Settings
) -> Callable[[str], uuid.UUID]:
    """What turns a row's id or key into its job; that raises ValueError with the reason."""
    if key_column is None:
        if source is not None:
            raise OptionInvalid("--source goes with --key-column; a job's id needs no source.")
        return by_id
    submitter = checked_source("--source", settings.source if source is None else source)
    return lambda key: by_key(submitter, key)


def by_id(given: str) -> uuid.UUID:
    try:
        return uuid.UUID(given.strip())
    except ValueError as error:
        raise ValueError(f"{given[:LONGEST_SHOWN]!r} is no job id") from error


def by_key(source: str, key: str) -> uuid.UUID:
    if wrong := invalid_reason(key, LONGEST_KEY):
        raise ValueError(f"its key {wrong}")
    return keyed_id(source, key)


def checked_source(option: str, given: str) -> str:
    if wrong := invalid_reason(given, LONGEST_SOURCE):
        raise SourceInvalid(f"{option} {wrong}.")
    return given


def said(
    rows: Iterable[Row | BadRow], whose: Callable[[str], uuid.UUID], teller: str
) -> Iterator[Said | BadRow]:
    """What each row says, or why it says nothing."""
    from storage.jobs.labels import Entry

    for row in rows:
        if isinstance(row, BadRow):
            yield row
            continue
        assert row.key is not None
        try:
            yield Said(row.line, Entry(whose(row.key), row.text.strip(), teller))
        except ValueError as reason:
            yield BadRow(row.line, str(reason))


def batches(items: Iterable[Said | BadRow], size: int = BATCH) -> Iterator[list[Said | BadRow]]:
    """A job that comes again opens the next batch, so that its labels count in their order."""
    batch: list[Said | BadRow] = []
    jobs: set[uuid.UUID] = set()
    for item in items:
        job = item.entry.job_id if isinstance(item, Said) else None
        if len(batch) == size or job in jobs:
            yield batch
            batch, jobs = [], set()
        batch.append(item)
        if job is not None:
            jobs.add(job)
    if batch:
        yield batch


def write(engine: Engine, batch: Sequence[Said | BadRow]) -> tuple[Outcome, list[Missed]]:
    """Write a batch's labels, whole or not at all; return also the rows that were not taken."""
    from storage.jobs import labels

    with engine.begin() as connection:
        outcome = labels.add(connection, [item.entry for item in batch if isinstance(item, Said)])
    reasons = ((item, why_not(item, outcome)) for item in batch)
    return outcome, [Missed(why[0], item.line, why[1]) for item, why in reasons if why is not None]


def why_not(item: Said | BadRow, outcome: Outcome) -> tuple[Kind, str] | None:
    if isinstance(item, BadRow):
        return "unusable", item.reason
    job_id = item.entry.job_id
    if job_id in outcome.unknown:
        return "unknown", f"there is no job {job_id}"
    if job_id in outcome.unusable:
        return "unusable", why_unusable(item.entry, outcome)
    return None


def why_unusable(entry: Entry, outcome: Outcome) -> str:
    names = outcome.unusable[entry.job_id]
    others = f" nor {' nor '.join(names)}" if names else "; names are known once it is scored"
    return f"its label {entry.label[:LONGEST_SHOWN]!r} is neither 0 nor 1{others}"


def tell(tally: Tally, file: str) -> None:
    out.print(tally.table())
    for line, reason in tally.reasons:
        out.print(f"  line {line:,}: {reason}", markup=False, soft_wrap=True)
    more = tally.unknown + tally.unusable - len(tally.reasons)
    if more > 0:
        out.print(f"  ... and {more:,} more")
    if not sum(tally.counts().values()):
        out.print(f"{file} holds no labels.", markup=False, soft_wrap=True)


def tell_interrupted(tally: Tally) -> None:
    """What was written stays; the file may be given again as it is."""
    taken = tally.accepted + tally.changed + tally.known
    if taken:
        err.print(
            f"Stopped after at least {taken:,} labels, which are kept; give the file again.",
            soft_wrap=True,
        )
