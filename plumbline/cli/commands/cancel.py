"""`plumbline cancel`: end jobs that no worker has started."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer
from sqlalchemy import Connection

from plumbline.cli.commands.show import find_job
from plumbline.cli.database import database
from plumbline.cli.output.batch_progress import counted
from plumbline.cli.output.console import colored_text, out, printable_text
from plumbline.cli.output.json_output import print_json, print_jsonl
from plumbline.cli.times import parse_duration
from plumbline.cli.user import current_user
from plumbline.errors import OptionInvalid
from plumbline.services import connected, open_client
from plumbline.settings import Settings
from plumbline_client.states import JobState
from plumbline_client.text import storable_error
from storage.database import absolute_time
from storage.jobs import cancellation

# The name of a type does not need redis-py.
if TYPE_CHECKING:
    from plumbline_client import Cancellation


def cancel(
    jobs: Annotated[
        list[str] | None,
        typer.Argument(help="Ids of the jobs, or the first 4 or more digits of each."),
    ] = None,
    source: Annotated[
        str | None, typer.Option(help="All queued jobs of this source, in batches.")
    ] = None,
    older_than: Annotated[
        str | None, typer.Option(help="With --source: only jobs accepted so long ago, as in 2h.")
    ] = None,
    reason: Annotated[
        str | None, typer.Option(help="Stored with each job. Default: who cancelled it.")
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="With --source: cancel without asking.")
    ] = False,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print one JSON line per job, with --source one in total."),
    ] = False,
) -> None:
    """Cancel jobs that are still queued: those of the arguments, or all of a source.

    Jobs that are being scored or have ended stay unchanged; if the arguments name one of them, the
    command exits with 1.
    """
    why = f"cancelled by {current_user()}" if reason is None else reason
    if (source is None) == (not jobs):
        raise OptionInvalid("Name either jobs or a --source.")
    if source is not None:
        cancel_source(source, older_than, why, confirmed=yes, as_json=as_json)
    elif older_than is not None:
        raise OptionInvalid("--older-than needs a --source.")
    else:
        cancel_jobs(jobs or [], why, as_json)


def cancel_jobs(jobs: Sequence[str], reason: str, as_json: bool) -> None:
    settings = Settings.read()
    services = connected(settings)
    with database(services) as engine, engine.connect() as connection:
        # Before anything is cancelled: a name that is wrong raises JobUnknown.
        ids = find_ids(connection, jobs)
    with open_client(settings, services) as client:
        cancellations = [client.cancel(job_id, reason=reason) for job_id in ids]
    if as_json:
        print_jsonl(documents(cancellations))
    else:
        for end in cancellations:
            out.print(str(end.job_id), "", colored_text(end.state), why_unchanged(end))
    if any(end.state is not JobState.CANCELLED for end in cancellations):
        raise typer.Exit(1)


def cancel_source(
    source: str, older_than: str | None, reason: str, *, confirmed: bool, as_json: bool
) -> None:
    """Cancel batch by batch; an interruption keeps what was cancelled by then, and prints it."""
    age = timedelta(
        seconds=0.0 if older_than is None else parse_duration(older_than, "--older-than")
    )
    with database(connected(Settings.read())) as engine:
        with engine.connect() as connection:
            before = absolute_time(connection, age)
            queued = cancellation.count_queued(connection, source, before)
        if queued and not confirmed:
            confirm(source, queued)
        batches = cancellation.cancel_source(engine, source, before, storable_error(reason))
        cancelled = counted(batches, queued, "cancelled")
    if as_json:
        print_json({"source": source, "before": before, "cancelled": cancelled})
    else:
        out.print(f"Cancelled {cancelled:,} texts of", printable_text(source, 200), soft_wrap=True)


def confirm(source: str, queued: int) -> None:
    """Ask on a terminal; elsewhere raise OptionInvalid."""
    if not sys.stdin.isatty():
        raise OptionInvalid(f"This cancels {queued:,} queued texts; add --yes.")
    name = printable_text(source, 200)
    typer.confirm(f"Cancel {queued:,} queued texts of {name}?", abort=True, err=True)


def documents(cancellations: Iterable[Cancellation]) -> Iterator[dict[str, object]]:
    for end in cancellations:
        yield {
            "job_id": end.job_id,
            "cancelled": end.cancelled,
            "state": end.state,
            "error": end.error,
        }


def find_ids(connection: Connection, names: Sequence[str]) -> list[uuid.UUID]:
    """Return the id of each job once. Raises JobUnknown."""
    return list(dict.fromkeys(find_job(connection, name)[0].id for name in names))


def why_unchanged(end: Cancellation) -> str:
    if end.cancelled:
        return ""
    if end.state is JobState.LEASED:
        return "it is being scored, and nothing was changed"
    return "it had ended, and nothing was changed"
