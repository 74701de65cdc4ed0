"""`plumbline submit`: texts of a file into the ledger, and a wake-up for the workers."""

from __future__ import annotations

import time
import uuid
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from plumbline.cli.commands.results import results_table
from plumbline.cli.database import tables_needed
from plumbline.cli.output.console import colored, counted, err, out, print_json
from plumbline.cli.times import seconds
from plumbline.errors import OptionInvalid
from plumbline.files import BadRow, Columns, Format, Row, Texts
from plumbline.services import connected
from plumbline.settings import Settings
from plumbline_client.backlog import OnFull
from plumbline_client.errors import BacklogFull, BrokerUnavailable, StorageError
from plumbline_client.states import TERMINAL, JobState

if TYPE_CHECKING:
    from plumbline_client import Client, Receipt, Submission
    from plumbline_client.results import Result

REASONS_SHOWN = 5
RESULTS_SHOWN = 20
POLL_S = 0.1
POLLED_IDS = 500
SILENCE_S = 15.0


@dataclass
class Tally:
    """What became of the texts so far; `reasons` are of the first that were not taken."""

    source: str
    accepted: int = 0
    known: int = 0
    rejected: int = 0
    unreadable: int = 0
    unpublished: int = 0
    reasons: list[tuple[int, str]] = field(default_factory=list)

    def add(self, line: int, receipt: Receipt) -> None:
        if not receipt.new:
            self.known += 1
        elif receipt.state is JobState.REJECTED:
            self.rejected += 1
            self._remember(line, receipt.error or "no reason given")
        else:
            self.accepted += 1
            self.unpublished += not receipt.published

    def add_unreadable(self, row: BadRow) -> None:
        self.unreadable += 1
        self._remember(row.line, row.reason)

    def counts(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if name != "reasons"}

    def table(self) -> Table:
        notes = {
            "accepted": "",
            "known": "already, so nothing was done",
            "rejected": "kept with their reason, not scored",
            "unreadable": "not taken",
            "unpublished": "of the accepted: they wait for the sweeper, since Redis was away",
        }
        return counted(self.counts(), notes)

    def _remember(self, line: int, reason: str) -> None:
        if len(self.reasons) < REASONS_SHOWN:
            self.reasons.append((line, reason))


def submit(
    file: Annotated[
        str | None,
        typer.Argument(
            help="CSV, JSONL or .txt (also .gz), Parquet, or - for standard input, which is "
            "submitted PLUMBLINE_MESSAGE_SIZE lines at a time."
        ),
    ] = None,
    text: Annotated[
        str | None, typer.Option("--text", "-t", help="This one text instead of a file.")
    ] = None,
    format: Annotated[
        Format | None, typer.Option(help="Default: by the name; text is one text a line.")
    ] = None,
    text_column: Annotated[str, typer.Option(help="Column of the text.")] = "text",
    key_column: Annotated[
        str | None,
        typer.Option(help="Column of a key: the same key, sent again, is the same job."),
    ] = None,
    source: Annotated[
        str | None, typer.Option(help="Who submits. Default: PLUMBLINE_SOURCE.")
    ] = None,
    deadline: Annotated[
        str | None, typer.Option(help="How long a score is worth waiting for, as in 10m.")
    ] = None,
    on_full: Annotated[
        OnFull,
        typer.Option(help="What to do while PLUMBLINE_MAX_BACKLOG texts wait to be scored."),
    ] = OnFull.WAIT,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until every text has ended.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="JSON lines: one for each text, the last with counts.")
    ] = False,
) -> None:
    """Accept the texts of a file, durably, and have them scored.

    A line that holds no text costs only itself: it is told by number, and the exit code is 1.
    """
    until = None
    if deadline is not None:
        until = datetime.now(UTC) + timedelta(seconds=seconds(deadline, "--deadline"))
    settings = connected(Settings.read())
    tally = Tally(settings.source if source is None else source)
    columns = Columns(text_column, key_column)
    with opened(file, text, format, columns) as (rows, share_read), tables_needed():
        from plumbline_client import Client

        with Client.from_settings(settings) as client:
            ids = []
            sent = send(client, rows, tally, until, on_full, print_row if as_json else None)
            try:
                for receipt in watched(sent, tally, share_read):
                    if wait:
                        ids.append(receipt.job_id)
            except (StorageError, BacklogFull, KeyboardInterrupt):
                tell_interrupted(tally, key_column)
                raise
            if not as_json:
                tell(tally, file or "the text")
            tell_unpublished(tally, settings)
            ended = until_ended(client, ids, as_json)
    if as_json:
        print_json({"kind": "summary", **tally.counts(), **({"ended": ended} if wait else {})})
    else:
        hint(tally, wait)
    if tally.unreadable:
        raise typer.Exit(1)


@contextmanager
def opened(
    file: str | None, text: str | None, format: Format | None, columns: Columns
) -> Iterator[tuple[Iterable[Row | BadRow], Callable[[], float | None]]]:
    """The rows to submit, and how much of them was read."""
    if (file is None) == (text is None):
        raise OptionInvalid("Name a FILE, - for standard input, or one text with --text.")
    if text is not None:
        yield [Row(1, text)], lambda: None
        return
    assert file is not None
    with Texts(file, format, columns) as texts:
        yield texts, lambda: texts.share_read


def send(
    client: Client,
    rows: Iterable[Row | BadRow],
    tally: Tally,
    deadline: datetime | None,
    on_full: OnFull,
    report: Callable[[int, Receipt | None, str | None], None] | None,
) -> Iterator[Receipt]:
    """Submit the rows in turn and count what became of each; each is reported once."""
    from plumbline_client import Submission

    lines: deque[int] = deque()

    def submissions() -> Iterator[Submission]:
        for row in rows:
            if isinstance(row, BadRow):
                tally.add_unreadable(row)
                if report is not None:
                    report(row.line, None, row.reason)
                continue
            lines.append(row.line)
            yield Submission(row.text, row.key, deadline)

    sent = client.submit_many(
        submissions(), source=tally.source, on_full=on_full, on_wait=once(tell_full)
    )
    for receipt in sent:
        line = lines.popleft()
        tally.add(line, receipt)
        if report is not None:
            report(line, receipt, receipt.error)
        yield receipt


def once(tell: Callable[[int], None]) -> Callable[[int], None]:
    """`tell`, which from its second call on says nothing."""
    told: list[int] = []

    def tell_once(number: int) -> None:
        if not told:
            tell(number)
        told.append(number)

    return tell_once


def tell_full(waiting: int) -> None:
    err.print(f"{waiting:,} texts wait to be scored already; going on as soon as there is room.")


def print_row(line: int, receipt: Receipt | None, error: str | None) -> None:
    if receipt is None:
        print_json({"kind": "unreadable", "line": line, "error": error})
        return
    print_json({"kind": "receipt", "line": line, **asdict(receipt)})


def watched(
    sent: Iterable[Receipt], tally: Tally, share_read: Callable[[], float | None]
) -> Iterator[Receipt]:
    """Pass the receipts on, showing how many and how fast."""
    with progress() as bar:
        task = bar.add_task("submitting", total=None, rate="")
        started = time.monotonic()
        for count, receipt in enumerate(sent, start=1):
            yield receipt
            share = share_read()
            per_s = count / max(time.monotonic() - started, 1e-3)
            bar.update(
                task,
                total=None if share is None else 1.0,
                completed=share or 0.0,
                rate=f"{count + tally.unreadable:,} texts, {per_s:,.0f}/s",
            )


def until_ended(client: Client, ids: Sequence[uuid.UUID], as_json: bool) -> dict[str, int]:
    """Wait for the jobs, showing the first few results, or all of them as JSON lines."""
    ended: Counter[str] = Counter()
    first: list[Result] = []
    with progress() as bar:
        task = bar.add_task("waiting", total=len(ids), rate="")
        for results in outcomes(client, ids):
            for result in results:
                ended[result.decision or result.state] += 1
                if as_json:
                    print_json({"kind": "result", **asdict(result)})
            first += results[: RESULTS_SHOWN - len(first)]
            bar.update(task, completed=ended.total(), rate=f"{ended.total():,} of {len(ids):,}")
    if ids and not as_json:
        order = {job_id: position for position, job_id in enumerate(ids)}
        out.print(results_table(sorted(first, key=lambda result: order[result.job_id])))
        if len(ids) > len(first):
            out.print(f"... the first {len(first)} that ended, of {len(ids):,}:")
            for name, count in ended.most_common():
                out.print(f"  {count:>9,} ", colored(name))
    return dict(ended)


def outcomes(client: Client, ids: Sequence[uuid.UUID]) -> Iterator[list[Result]]:
    """The results of jobs as they end. Says once if none does for a while."""
    waiting = list(dict.fromkeys(ids))
    quiet_since: float | None = time.monotonic()
    while waiting:
        found = client.results(ids=waiting[:POLLED_IDS], limit=None)
        ended = {result.job_id: result for result in found if JobState(result.state) in TERMINAL}
        if ended:
            waiting = [i for i in waiting[:POLLED_IDS] if i not in ended] + waiting[POLLED_IDS:]
            quiet_since = time.monotonic() if quiet_since is not None else None
            yield list(ended.values())
            continue
        if quiet_since is not None and time.monotonic() - quiet_since > SILENCE_S:
            err.print("Nothing ends; `plumbline status` tells whether a worker is there.")
            quiet_since = None
        time.sleep(POLL_S)


def progress() -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        console=err,
        transient=True,
        disable=not err.is_terminal,
    )


def tell(tally: Tally, name: str) -> None:
    out.print(tally.table())
    for line, reason in tally.reasons:
        out.print(f"  line {line:,}: {reason}", markup=False, soft_wrap=True)
    missed = tally.rejected + tally.unreadable - len(tally.reasons)
    if missed > 0:
        out.print(f"  ... and {missed:,} more")
    if not sum(value for value in tally.counts().values() if isinstance(value, int)):
        out.print(f"{name} holds no texts.", markup=False, soft_wrap=True)


def tell_interrupted(tally: Tally, key_column: str | None) -> None:
    """What was accepted stays accepted; say how to go on without sending it twice."""
    taken = tally.accepted + tally.known + tally.rejected
    if not taken:
        return
    again = (
        "send the file again: its keys keep what is known from being scored twice"
        if key_column is not None
        else "without --key-column, sending the file again would score them twice"
    )
    err.print(f"Stopped after at least {taken:,} texts, which are safe; {again}.", soft_wrap=True)


def tell_unpublished(tally: Tally, settings: Settings) -> None:
    """Say why Redis was not told, if it is still so: a wrong URL will not mend itself."""
    from plumbline.broker import ping

    assert settings.broker_url is not None
    if not tally.unpublished:
        return
    try:
        ping(settings.broker_url.get_secret_value())
    except BrokerUnavailable as error:
        err.print(str(error), markup=False, soft_wrap=True)


def hint(tally: Tally, waited: bool) -> None:
    if tally.accepted and not waited:
        out.print(f"See them: plumbline results --source {tally.source}", markup=False)
