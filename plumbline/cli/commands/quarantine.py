"""`plumbline quarantine`: list, replay and discard quarantined jobs."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table
from sqlalchemy import Connection, Engine

from plumbline.cli.commands.show import find_job
from plumbline.cli.database import database
from plumbline.cli.json_option import JsonOption
from plumbline.cli.output.batch_progress import counted
from plumbline.cli.output.console import (
    column_table,
    err,
    format_short_time,
    out,
    printable_text,
)
from plumbline.cli.output.json_output import print_json
from plumbline.cli.user import current_user
from plumbline.errors import OptionInvalid
from plumbline.services import connected, open_publisher
from plumbline.settings import Settings
from plumbline_client import wake_ups
from plumbline_client.errors import JobUnknown
from plumbline_client.states import JobState
from plumbline_client.wake_ups import QueuedJob
from storage.database import now
from storage.jobs import outbox, quarantine
from storage.jobs.quarantine import QuarantinedJob, Selection

app = typer.Typer(no_args_is_help=True, help="List, replay or discard quarantined jobs.")

JobsArgument = Annotated[
    list[str] | None,
    typer.Argument(help="Ids of the jobs, or the first 4 or more digits of each."),
]
SourceOption = Annotated[str | None, typer.Option(help="Only jobs of this source.")]
AllOption = Annotated[bool, typer.Option("--all", help="All jobs, or all jobs of --source.")]


@app.command("list")
def list_quarantined(
    source: SourceOption = None,
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of jobs.")] = 100,
    as_json: JsonOption = False,
) -> None:
    """List quarantined jobs with their reasons, newest first."""
    with database(connected(Settings.read())) as engine, engine.connect() as connection:
        jobs = quarantine.list_quarantined(connection, source, limit)
    if as_json:
        print_json({"quarantined": [asdict(job) for job in jobs]})
    elif jobs:
        out.print(jobs_table(jobs))
    else:
        out.print("Quarantine is empty.")


@app.command()
def replay(
    jobs: JobsArgument = None,
    source: SourceOption = None,
    everything: AllOption = False,
    as_json: JsonOption = False,
) -> None:
    """Queue jobs again, with no attempts counted."""
    services = connected(Settings.read())
    ids: list[uuid.UUID] = []
    published = True
    with database(services) as engine:
        with engine.begin() as connection:
            selection = select_jobs(connection, jobs, source, everything)

        def replay_batches() -> Iterator[int]:
            nonlocal published
            while replayed := replay_batch(engine, selection):
                # In vain, once Redis is unavailable; see `publish`.
                published = publish(services.broker_url, engine, replayed) and published
                ids.extend(job.id for job in replayed)
                yield len(replayed)

        counted(replay_batches(), None, "queued again")
    if as_json:
        print_json({"replayed": ids, "published": published})
        return
    out.print(f"Queued {count_text(ids)} again.")
    if not published:
        err.print("Redis is unavailable; the jobs are published once it is back.")


@app.command()
def discard(
    jobs: JobsArgument = None,
    source: SourceOption = None,
    everything: AllOption = False,
    as_json: JsonOption = False,
) -> None:
    """Delete the texts of jobs for good. The rows stay and record who did it."""
    discarded: list[uuid.UUID] = []
    with database(connected(Settings.read())) as engine:
        with engine.begin() as connection:
            selection = select_jobs(connection, jobs, source, everything)

        def discard_batches() -> Iterator[int]:
            while ids := discard_batch(engine, selection):
                discarded.extend(ids)
                yield len(ids)

        counted(discard_batches(), None, "discarded")
    if as_json:
        print_json({"discarded": discarded})
    else:
        out.print(f"Discarded {count_text(discarded)}.")


def replay_batch(engine: Engine, selection: Selection) -> list[QueuedJob]:
    with engine.begin() as connection:
        return quarantine.replay(connection, selection)


def discard_batch(engine: Engine, selection: Selection) -> list[uuid.UUID]:
    with engine.begin() as connection:
        return quarantine.discard(connection, selection, current_user())


def select_jobs(
    connection: Connection, jobs: Sequence[str] | None, source: str | None, everything: bool
) -> Selection:
    """Return the jobs that the arguments select. Raises OptionInvalid and JobUnknown."""
    if everything and jobs:
        raise OptionInvalid("Give either jobs or --all.")
    if not everything and not jobs:
        raise OptionInvalid("Give jobs, or --all, which --source limits to one source.")
    if not jobs:
        return Selection(None, source, now(connection))
    ids = [find_job(connection, name)[0].id for name in jobs]
    check_replayable(connection, ids)
    return Selection(ids, source, now(connection))


def check_replayable(connection: Connection, ids: Sequence[uuid.UUID]) -> None:
    """Raise JobUnknown for the first job that is not in quarantine or has no text left."""
    locked = quarantine.lock_jobs(connection, ids)
    for job_id in ids:
        state, has_text = locked[job_id]
        if state is not JobState.QUARANTINED:
            raise JobUnknown(f"Job {job_id} is {state}, not quarantined; nothing was changed.")
        if not has_text:
            raise JobUnknown(f"The text of job {job_id} was deleted; nothing was changed.")


def publish(broker_url: str, engine: Engine, jobs: Sequence[QueuedJob]) -> bool:
    """Send one message per job, behind all other texts, because each of them ended a worker before.

    Returns False if Redis is unavailable; the relay then publishes the rest later.
    """
    with open_publisher(broker_url) as publisher:
        unsent = publisher.wake_all(wake_ups.suspects(jobs))
    if unsent.ids:
        with engine.begin() as connection:
            outbox.unpublish(connection, unsent.ids)
    return not unsent.ids


def jobs_table(jobs: Sequence[QuarantinedJob]) -> Table:
    table = column_table("job", "source", "since", "attempts", "reason", "text")
    table.columns[0].no_wrap = True
    for job in jobs:
        table.add_row(
            str(job.id)[:8],
            printable_text(job.source, 20),
            format_short_time(job.finished_at),
            str(job.attempts),
            printable_text(job.error, 200),
            printable_text(job.text, 30) if job.text is not None else "deleted",
        )
    return table


def count_text(ids: Sequence[uuid.UUID]) -> str:
    return "1 job" if len(ids) == 1 else f"{len(ids):,} jobs"
