"""`plumbline db`: the version of the tables, and the retention of texts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Annotated

import typer
from rich.status import Status
from rich.text import Text

from plumbline.cli.database import database
from plumbline.cli.extras import extra_needed
from plumbline.cli.json_option import JsonOption
from plumbline.cli.output.console import err, format_time, out
from plumbline.cli.output.json_output import print_json
from plumbline.cli.times import parse_duration
from plumbline.errors import OptionInvalid
from plumbline.services import connected
from plumbline.settings import Settings
from storage import rejected_messages
from storage.database import absolute_time
from storage.jobs.retention import purge_predictions, purge_texts
from storage.prerequisites import open_to_all

app = typer.Typer(help="Upgrade and check the tables; purge old texts.")


@app.command()
def upgrade(
    timeout: Annotated[
        str, typer.Option(help="How long to wait for transactions that use the tables.")
    ] = "10m",
    as_json: JsonOption = False,
) -> None:
    """Upgrade the tables to the version of this release, while workers continue."""
    patience_s = parse_duration(timeout, "--timeout")
    with extra_needed("Upgrading the tables", "worker"):
        from storage import migrate
    with database(connected(Settings.read())) as engine:
        version = migrate.upgrade(engine, report=print_wait, patience_s=patience_s)
    print_version(version, as_json)


@app.command()
def check(as_json: JsonOption = False) -> None:
    """Check that the tables are at the version of this release. Exit 1 if they are not.

    If every login of the server may connect to the database, a warning reports it.
    """
    with extra_needed("Checking the tables", "worker"):
        from storage import migrate
    with database(connected(Settings.read())) as engine:
        version = migrate.check(engine)
        with engine.connect() as connection:
            warning = open_to_all(connection)
    if warning:
        err.print(Text(warning, style="yellow"), soft_wrap=True)
    print_version(version, as_json, [warning] if warning else [])


@app.command()
def purge(
    older_than: Annotated[
        str | None, typer.Option(help="Delete texts of jobs that ended so long ago, as in 30d.")
    ] = None,
    rows_older_than: Annotated[
        str | None,
        typer.Option(help="Delete predictions and labels too, of texts scored so long ago."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Delete the texts of jobs that ended long ago, or all but their identity.

    Keys, states and the texts' keyed hashes always stay, so that a key remains taken. The rows of
    messages that were rejected as long ago are deleted too.
    """
    rows_age = parse_duration(rows_older_than, "--rows-older-than") if rows_older_than else None
    age = parse_duration(older_than, "--older-than") if older_than else rows_age
    if age is None:
        raise OptionInvalid("Name an age: --older-than for texts, --rows-older-than for rows.")
    age = min(age, rows_age or age)
    predictions: int | None = None
    rows_before: datetime | None = None
    with database(connected(Settings.read())) as engine, err.status("deleting ...") as spinner:
        with engine.connect() as connection:
            before = absolute_time(connection, timedelta(seconds=age))
            if rows_age is not None:
                rows_before = absolute_time(connection, timedelta(seconds=rows_age))
        purged = shown_sum(purge_texts(engine, before), spinner, "texts")
        with engine.begin() as connection:
            rejections = rejected_messages.purge(connection, before)
        if rows_before is not None:
            counts = purge_predictions(engine, rows_before)
            predictions = shown_sum(counts, spinner, "predictions")
    if as_json:
        document = {"purged": purged, "rejected_messages": rejections, "before": before}
        print_json(document | {"purged_predictions": predictions, "rows_before": rows_before})
        return
    out.print(f"Deleted {purged:,} texts of jobs that ended before {format_time(before)}.")
    if rejections:
        out.print(f"Deleted {rejections:,} rows of messages that were rejected before then.")
    if rows_before is not None:
        out.print(
            f"Deleted {predictions:,} predictions made before {format_time(rows_before)}, and the "
            "labels of their texts."
        )


def shown_sum(counts: Iterable[int], spinner: Status, noun: str) -> int:
    """Return the sum of the counts, and show it as it grows."""
    total = 0
    for count in counts:
        total += count
        spinner.update(f"deleting {noun}: {total:,} ...")
    return total


def print_wait(sentence: str) -> None:
    err.print(Text(sentence), soft_wrap=True)


def print_version(version: str, as_json: bool, warnings: Sequence[str] | None = None) -> None:
    if as_json:
        print_json({"version": version} | ({} if warnings is None else {"warnings": warnings}))
        return
    out.print(f"The tables are at version {version}, as this release needs.")
