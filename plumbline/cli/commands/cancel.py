"""`plumbline cancel`: withdraw jobs that nobody has begun."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from plumbline.cli.commands.show import find
from plumbline.cli.database import database
from plumbline.cli.output.console import colored, out, print_jsonl
from plumbline.cli.user import user
from plumbline.settings import Settings
from plumbline_client.states import JobState

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from storage.tables import Job


def cancel(
    jobs: Annotated[
        list[str], typer.Argument(help="The jobs' ids, or the first 4 digits or more of each.")
    ],
    reason: Annotated[
        str | None, typer.Option(help="Why; kept in the job's row. Default: who cancelled it.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON lines, one for each job.")] = False,
) -> None:
    """Cancel jobs that still wait.

    What is being scored or has ended is left as it is: that is told, and the exit code is 1.
    """
    why = f"cancelled by {user()}" if reason is None else reason
    with database(Settings.read()) as engine, engine.begin() as connection:
        done = withdraw(connection, jobs, why)
    if as_json:
        print_jsonl(
            {"job_id": job.id, "cancelled": cancelled, "state": job.state, "error": job.error}
            for job, cancelled in done
        )
    else:
        for job, cancelled in done:
            out.print(job.id, "", colored(job.state), "" if cancelled else excuse(job))
    if any(job.state != JobState.CANCELLED for job, _ in done):
        raise typer.Exit(1)


def withdraw(connection: Connection, given: Sequence[str], reason: str) -> list[tuple[Job, bool]]:
    """Cancel what still waits; return each job as it is now, and whether this call cancelled it.

    Raises JobUnknown, before anything is cancelled, where one of `given` names no job.
    """
    from storage.jobs import ledger

    found = {job.id: job for job, _ in (find(connection, name) for name in given)}
    cancelled = ledger.cancel(connection, list(found), reason)
    return [(find(connection, str(job_id))[0], job_id in cancelled) for job_id in found]


def excuse(job: Job) -> str:
    """Why a job was not cancelled, as it stands behind its state."""
    if job.state == JobState.LEASED:
        return "it is being scored, and nothing was changed"
    return "it had ended, and nothing was changed"
