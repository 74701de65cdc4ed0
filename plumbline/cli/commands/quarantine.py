"""`plumbline quarantine`: what was given up on, to look at, to try again, to forget."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from plumbline.cli.commands.show import find
from plumbline.cli.database import database
from plumbline.cli.output.console import Json, clock, columns, err, out, print_json, shown
from plumbline.cli.user import user
from plumbline.errors import OptionInvalid
from plumbline.services import connected
from plumbline.settings import Settings
from plumbline_client.errors import BrokerUnavailable, JobUnknown

if TYPE_CHECKING:
    from rich.table import Table
    from sqlalchemy import Connection, Engine

    from storage.jobs.quarantine import QuarantinedJob, Selection

app = typer.Typer(no_args_is_help=True, help="Look at, replay or discard what was given up on.")

Jobs = Annotated[
    list[str] | None, typer.Argument(help="The jobs' ids, or the first 4 digits or more of each.")
]
Source = Annotated[str | None, typer.Option(help="Only those of this source.")]
All = Annotated[bool, typer.Option("--all", help="All of them; with --source all of that one.")]


@app.command("list")
def list_quarantined(
    source: Source = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 100,
    as_json: Json = False,
) -> None:
    """List what was given up on and why, the newest first."""
    from storage.jobs import quarantine

    with database(Settings.read()) as engine, engine.connect() as connection:
        found = quarantine.listing(connection, source, limit)
    if as_json:
        print_json({"quarantined": [asdict(job) for job in found]})
    elif found:
        out.print(table(found))
    else:
        out.print("Nothing is in quarantine.")


@app.command()
def replay(
    jobs: Jobs = None, source: Source = None, everything: All = False, as_json: Json = False
) -> None:
    """Try them again, as if for the first time."""
    from storage.jobs import quarantine

    settings = connected(Settings.read())
    with database(settings) as engine:
        with engine.begin() as connection:
            replayed = quarantine.replay(connection, choose(connection, jobs, source, everything))
        published = publish(settings, engine, replayed)
    if as_json:
        print_json({"replayed": replayed, "published": published})
        return
    out.print(f"{number_of(replayed)} queued again.")
    if not published:
        err.print("Redis is away; they are published when it is back.")


@app.command()
def discard(
    jobs: Jobs = None, source: Source = None, everything: All = False, as_json: Json = False
) -> None:
    """Forget their texts for good; their rows stay, and say who did it."""
    from storage.jobs import quarantine

    with database(Settings.read()) as engine, engine.begin() as connection:
        chosen = choose(connection, jobs, source, everything)
        discarded = quarantine.discard(connection, chosen, user())
    if as_json:
        print_json({"discarded": discarded})
    else:
        out.print(f"{number_of(discarded)} discarded.")


def choose(
    connection: Connection, jobs: Sequence[str] | None, source: str | None, everything: bool
) -> Selection:
    """Who is meant. Raises OptionInvalid where nobody or too many are said, and JobUnknown."""
    from storage.jobs.quarantine import Selection

    if everything and jobs:
        raise OptionInvalid("Give either jobs or --all.")
    if not everything and not jobs:
        raise OptionInvalid("Say which: give jobs, or --all, with --source for one source's.")
    if not jobs:
        return Selection(None, source)
    ids = [find(connection, job)[0].id for job in jobs]
    demand_replayable(connection, ids)
    return Selection(ids, source)


def demand_replayable(connection: Connection, ids: Sequence[uuid.UUID]) -> None:
    """Raise JobUnknown for the first that is not in quarantine or has no text any more."""
    from storage.jobs import quarantine

    found = quarantine.standing(connection, ids)
    for job in ids:
        state, kept = found[job]
        if state != "quarantined":
            raise JobUnknown(f"Job {job} is {state}, not quarantined; nothing was changed.")
        if not kept:
            raise JobUnknown(f"The text of job {job} is not kept any more; nothing was changed.")


def publish(settings: Settings, engine: Engine, jobs: Sequence[uuid.UUID]) -> bool:
    """Wake a worker for each by itself: it killed one before. False where Redis is away."""
    from plumbline_client.broker import Publisher
    from storage.jobs import ledger

    assert settings.broker_url is not None
    with Publisher(settings.broker_url.get_secret_value()) as publisher:
        for sent, job in enumerate(jobs):
            try:
                publisher.wake([job])
            except BrokerUnavailable:
                with engine.begin() as connection:
                    ledger.unpublish(connection, jobs[sent:])
                return False
    return True


def table(found: Sequence[QuarantinedJob]) -> Table:
    lines = columns("job", "source", "since", "attempts", "why", "text")
    lines.columns[0].no_wrap = True
    for job in found:
        lines.add_row(
            str(job.id)[:8],
            shown(job.source, 20),
            clock(job.finished_at),
            str(job.attempts),
            shown(job.error, 200),
            shown(job.text, 30) if job.text is not None else "not kept",
        )
    return lines


def number_of(jobs: Sequence[uuid.UUID]) -> str:
    return "1 job is" if len(jobs) == 1 else f"{len(jobs):,} jobs are"
