"""`plumbline cancel`: end jobs that no worker has started."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Annotated

import typer
from sqlalchemy import Connection

from plumbline.cli.commands.show import find_job
from plumbline.cli.database import database
from plumbline.cli.output.console import colored_text, out
from plumbline.cli.output.json_output import print_jsonl
from plumbline.cli.user import current_user
from plumbline.services import connected, open_client
from plumbline.settings import Settings
from plumbline_client import Cancellation
from plumbline_client.states import JobState


def cancel(
    jobs: Annotated[
        list[str], typer.Argument(help="Ids of the jobs, or the first 4 or more digits of each.")
    ],
    reason: Annotated[
        str | None, typer.Option(help="Stored with each job. Default: who cancelled it.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON line per job.")] = False,
) -> None:
    """Cancel jobs that are still queued.

    Jobs that are being scored or have ended stay unchanged; the command then exits with 1.
    """
    settings = Settings.read()
    services = connected(settings)
    why = f"cancelled by {current_user()}" if reason is None else reason
    with database(services) as engine, engine.connect() as connection:
        # Before anything is cancelled: a name that is wrong raises JobUnknown.
        ids = find_ids(connection, jobs)
    with open_client(settings, services) as client:
        cancellations = [client.cancel(job_id, reason=why) for job_id in ids]
    if as_json:
        print_jsonl(
            {
                "job_id": end.job_id,
                "cancelled": end.cancelled,
                "state": end.state,
                "error": end.error,
            }
            for end in cancellations
        )
    else:
        for end in cancellations:
            out.print(str(end.job_id), "", colored_text(end.state), why_unchanged(end))
    if any(end.state is not JobState.CANCELLED for end in cancellations):
        raise typer.Exit(1)


def find_ids(connection: Connection, names: Sequence[str]) -> list[uuid.UUID]:
    """Return the id of each job once. Raises JobUnknown."""
    return list(dict.fromkeys(find_job(connection, name)[0].id for name in names))


def why_unchanged(end: Cancellation) -> str:
    if end.cancelled:
        return ""
    if end.state is JobState.LEASED:
        return "it is being scored, and nothing was changed"
    return "it had ended, and nothing was changed"
