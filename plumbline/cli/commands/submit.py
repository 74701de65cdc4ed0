"""`plumbline submit`: the texts of a file into the ledger, with wake-ups for the workers."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Annotated, Any

import typer
from rich.table import Table

from plumbline.broker import ping
from plumbline.cli.file_options import DelimiterOption, EncodingOption
from plumbline.cli.missing_tables import translate_missing_tables
from plumbline.cli.output.console import count_table, err, out
from plumbline.cli.output.json_output import print_json
from plumbline.cli.output.progress import progress_bar
from plumbline.cli.output.row_errors import RowErrors, print_kind
from plumbline.cli.times import parse_duration
from plumbline.cli.wait_for_jobs import wait_for_jobs
from plumbline.errors import OptionInvalid, OutputUnwritable
from plumbline.files import (
    Columns,
    Format,
    InvalidRow,
    ReadOptions,
    Row,
    TextFile,
    check_argument,
    name_of,
)
from plumbline.files.row_tally import RowTally
from plumbline.services import connected, open_client
from plumbline.settings import Settings
from plumbline_client import Client, Receipt, Submission
from plumbline_client.backlog import OnFull
from plumbline_client.errors import BacklogFull, BrokerUnavailable, StorageError
from plumbline_client.states import JobState
from plumbline_client.text import LONE_SURROGATE, NUL_REPLACED, SURROGATE_REPLACED

RowReporter = Callable[[int, Receipt | None, str | None], None]


@dataclass(slots=True)
class SubmissionCounts:
    """How many texts were accepted, and what happened to the others."""

    source: str
    accepted: int = 0
    known: int = 0
    conflicts: int = 0
    rejected: int = 0
    unreadable: int = 0
    unpublished: int = 0
    errors: RowErrors = field(default_factory=RowErrors)
    # By the note that the job carries.
    replaced: RowTally = field(default_factory=RowTally)

    def add(self, line: int, receipt: Receipt) -> None:
        if receipt.conflict:
            self.conflicts += 1
            self.errors.add(line, receipt.error or "no reason given", "conflict")
        elif not receipt.new:
            self.known += 1
        elif receipt.state is JobState.REJECTED:
            self.rejected += 1
            self.errors.add(line, receipt.error or "no reason given", "rejected")
        else:
            self.accepted += 1
            self.unpublished += not receipt.published

    def add_invalid(self, row: InvalidRow) -> None:
        self.unreadable += 1
        self.errors.add(row.line, row.reason, row.problem)

    def add_replacements(self, row: Row) -> None:
        """Count a text with characters that the ledger cannot store and the client replaces."""
        if "\0" in row.text:
            self.replaced.add(NUL_REPLACED, row.line)
        if not row.text.isascii() and LONE_SURROGATE.search(row.text):
            self.replaced.add(SURROGATE_REPLACED, row.line)

    def counts(self) -> dict[str, int]:
        return {
            "accepted": self.accepted,
            "known": self.known,
            "conflicts": self.conflicts,
            "rejected": self.rejected,
            "unreadable": self.unreadable,
            "unpublished": self.unpublished,
        }

    def document(self) -> dict[str, Any]:
        details = {"skipped": self.errors.kinds.document(), "replaced": self.replaced.document()}
        return {"source": self.source, **self.counts(), **details}

    def table(self) -> Table:
        notes = {
            "accepted": "",
            "known": "already; nothing was changed",
            "conflicts": "their keys belong to other texts; not accepted",
            "rejected": "stored with the reason, not scored",
            "unreadable": "skipped",
            "unpublished": "of the accepted; the sweeper publishes them once Redis is available",
        }
        return count_table(self.counts(), notes)


def submit(
    file: Annotated[
        str | None,
        typer.Argument(
            help="A CSV, JSONL, .txt (also gzipped) or Parquet file, or - for standard input, "
            "submitted PLUMBLINE_MESSAGE_SIZE lines at a time."
        ),
    ] = None,
    text: Annotated[
        str | None, typer.Option("--text", "-t", help="Submit this text instead of a file.")
    ] = None,
    format: Annotated[
        Format | None, typer.Option(help="Default: by the file name. text is one text per line.")
    ] = None,
    text_column: Annotated[str, typer.Option(help="Column with the text.")] = "text",
    key_column: Annotated[
        str | None,
        typer.Option(
            help="Column with a key: the same key with the same text, submitted again, is the same "
            "job; with another text it is a conflict."
        ),
    ] = None,
    source: Annotated[
        str | None, typer.Option(help="Name of the submitter. Default: PLUMBLINE_SOURCE.")
    ] = None,
    deadline: Annotated[
        str | None, typer.Option(help="Expire texts that are not scored within, for example, 10m.")
    ] = None,
    encoding: EncodingOption = None,
    delimiter: DelimiterOption = None,
    on_full: Annotated[
        OnFull, typer.Option(help="What to do while PLUMBLINE_MAX_BACKLOG texts are queued.")
    ] = OnFull.WAIT,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until every text has ended.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON lines: one per text, then the counts.")
    ] = False,
) -> None:
    """Accept the texts of a file and have them scored.

    Invalid lines are skipped and reported by line number; the command then exits with 1.
    """
    time_left = None
    if deadline is not None:
        time_left = timedelta(seconds=parse_duration(deadline, "--deadline"))
    settings = Settings.read()
    services = connected(settings)
    counts = SubmissionCounts(settings.source if source is None else source)
    columns = Columns(text_column, key_column)
    options = ReadOptions.parse(encoding, delimiter)
    with (
        open_rows(file, text, format, columns, options) as (rows, fraction_read),
        translate_missing_tables(),
        open_client(settings, services) as client,
    ):
        ids = []
        receipts = send(client, rows, counts, time_left, on_full, print_row if as_json else None)
        with nullcontext() if file is None else reported_interruption(counts, key_column):
            for receipt in show_progress(receipts, counts, fraction_read):
                # The other text of a key in conflict was not submitted here.
                if wait and not receipt.conflict:
                    ids.append(receipt.job_id)
        if not as_json:
            print_counts(counts, "the text" if file is None else name_of(file))
        if counts.unpublished:
            print_broker_error(services.broker_url)
        ended = wait_for_jobs(client, ids, as_json)
    if as_json:
        print_json({"kind": "summary", **counts.document(), **({"ended": ended} if wait else {})})
    elif counts.accepted and not wait:
        out.print(f"Show the results: plumbline results --source {counts.source}", markup=False)
    if counts.unreadable:
        raise typer.Exit(1)


@contextmanager
def open_rows(
    file: str | None,
    text: str | None,
    format: Format | None,
    columns: Columns,
    options: ReadOptions,
) -> Iterator[tuple[Iterable[Row | InvalidRow], Callable[[], float | None]]]:
    """Yield the rows to submit, and a function that returns the fraction read so far."""
    if (file is None) == (text is None):
        raise OptionInvalid("Name a FILE, - for standard input, or one text with --text.")
    if text is not None:
        yield [Row(1, check_argument(text))], lambda: None
        return
    assert file is not None
    with TextFile(file, format, columns, options) as rows:
        yield rows, lambda: rows.fraction_read


def send(
    client: Client,
    rows: Iterable[Row | InvalidRow],
    counts: SubmissionCounts,
    deadline: timedelta | None,
    on_full: OnFull,
    report_row: RowReporter | None,
) -> Iterator[Receipt]:
    """Submit the rows in order; count and report each of them once."""
    lines: deque[int] = deque()

    def submissions() -> Iterator[Submission]:
        for row in rows:
            if isinstance(row, InvalidRow):
                counts.add_invalid(row)
                if report_row is not None:
                    report_row(row.line, None, row.reason)
                continue
            lines.append(row.line)
            counts.add_replacements(row)
            yield Submission(row.text, row.key, deadline)

    for receipt in client.submit_many(
        submissions(), source=counts.source, on_full=on_full, on_wait=backlog_notice()
    ):
        line = lines.popleft()
        counts.add(line, receipt)
        if report_row is not None:
            report_row(line, receipt, receipt.error)
        yield receipt


def backlog_notice() -> Callable[[int], None]:
    """Return a function that prints, on its first call only, that the backlog is full."""
    printed = False

    def print_once(queued: int) -> None:
        nonlocal printed
        if not printed:
            err.print(f"{queued:,} texts are queued already; waiting until there is capacity.")
        printed = True

    return print_once


def print_row(line: int, receipt: Receipt | None, error: str | None) -> None:
    if receipt is None:
        print_json({"kind": "unreadable", "line": line, "error": error})
        return
    print_json({"kind": "receipt", "line": line, **asdict(receipt)})


def show_progress(
    receipts: Iterable[Receipt],
    counts: SubmissionCounts,
    fraction_read: Callable[[], float | None],
) -> Iterator[Receipt]:
    """Yield the receipts while a bar shows how many there are, and how many per second."""
    with progress_bar() as bar:
        task = bar.add_task("submitting", total=None, rate="")
        started = time.monotonic()
        for count, receipt in enumerate(receipts, start=1):
            yield receipt
            fraction = fraction_read()
            per_s = count / max(time.monotonic() - started, 1e-3)
            bar.update(
                task,
                total=None if fraction is None else 1.0,
                completed=fraction or 0.0,
                rate=f"{count + counts.unreadable:,} texts, {per_s:,.0f}/s",
            )


def print_counts(counts: SubmissionCounts, name: str) -> None:
    out.print(counts.table())
    counts.errors.print()
    for note in counts.replaced.counts:
        replaced = "NULs" if note == NUL_REPLACED else "lone surrogates"
        print_kind(f"{replaced} were replaced", counts.replaced, note)
    if not any(counts.counts().values()):
        out.print(f"{name} contains no texts.", markup=False, soft_wrap=True)


@contextmanager
def reported_interruption(counts: SubmissionCounts, key_column: str | None) -> Iterator[None]:
    """Print what stays accepted if the submission stops, also if its output cannot be written."""
    try:
        yield
    except BrokenPipeError as error:
        print_interrupted(counts, key_column)
        raise OutputUnwritable(
            "The reader of standard output has gone, so the rest of the texts is not submitted."
        ) from error
    except (StorageError, BacklogFull, OutputUnwritable, KeyboardInterrupt):
        print_interrupted(counts, key_column)
        raise


def print_interrupted(counts: SubmissionCounts, key_column: str | None) -> None:
    """Print that accepted texts stay accepted, and how to submit the rest."""
    in_ledger = counts.accepted + counts.known + counts.rejected
    if not in_ledger:
        return
    advice = (
        "submit the file again: texts with a known key are not scored twice"
        if key_column is not None
        else "without --key-column, submitting the file again would score them twice"
    )
    err.print(
        f"Stopped after at least {in_ledger:,} texts, which stay accepted; {advice}.",
        soft_wrap=True,
    )


def print_broker_error(broker_url: str) -> None:
    """Print why texts were not published, if Redis is still unavailable: its URL may be wrong."""
    try:
        ping(broker_url)
    except BrokerUnavailable as error:
        err.print(str(error), markup=False, soft_wrap=True)
