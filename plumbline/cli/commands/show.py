"""`plumbline show`: everything about one job."""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text
from sqlalchemy import Connection, Row

from plumbline.cli.database import database
from plumbline.cli.json_option import JsonOption
from plumbline.cli.output.console import (
    colored_text,
    format_number,
    format_time,
    out,
    printable_text,
    property_table,
)
from plumbline.cli.output.json_output import print_json
from plumbline.cli.output.rows import row_values
from plumbline.services import connected
from plumbline.settings import Settings
from plumbline_client.errors import JobUnknown
from plumbline_client.review import review_reason
from plumbline_client.states import JobState
from storage.jobs import details, results

PREFIX = re.compile(r"[0-9a-f]{4,32}")
EXAMPLE_ID = uuid.UUID(int=0x1234 << 112)
LONGEST_TEXT = 2_000
TIMES = ("created_at", "published_at", "started_at", "lease_until", "deadline", "finished_at")


def show(
    job: Annotated[str, typer.Argument(help="The id of the job, or its first 4 or more digits.")],
    as_json: JsonOption = False,
) -> None:
    """Show everything about one job."""
    services = connected(Settings.read())
    with database(services) as engine, engine.connect() as connection:
        row, predictions = find_job(connection, job)
    if as_json:
        print_json(job_document(row, predictions))
        return
    out.print(job_table(row, predictions))
    for prediction in predictions:
        out.print(prediction_table(prediction))


def find_job(connection: Connection, name: str) -> tuple[Row[Any], Sequence[Row[Any]]]:
    """Return the job with this id or unique prefix of an id, and its predictions.

    Raises JobUnknown if no job or several jobs match, or if `name` cannot be part of an id.
    """
    digits = name.strip().lower().replace("-", "")
    if not PREFIX.fullmatch(digits):
        raise JobUnknown(
            f"{name!r} is not a job id; an id looks like {EXAMPLE_ID}, and its first digits are "
            "enough if they are unique."
        )
    ids = results.ids_with_prefix(connection, digits)
    if len(ids) > 1:
        raise JobUnknown(f"Several jobs begin with {name}; give more digits.")
    row = details.find_job(connection, ids[0]) if ids else None
    if row is None:
        raise JobUnknown(f"There is no job {name}.")
    return row


def job_document(job: Row[Any], predictions: Sequence[Row[Any]]) -> dict[str, Any]:
    """Return every column of the job, and in `predictions` every column of each prediction.

    A prediction also has its `review_reason`.
    """
    documents = [row_values(p) | {"review_reason": review_reason_of(p)} for p in predictions]
    return row_values(job) | {"predictions": documents}


def review_reason_of(prediction: Row[Any]) -> str | None:
    return review_reason(prediction.decision, prediction.notes)


def job_table(job: Row[Any], predictions: Sequence[Row[Any]] = ()) -> Table:
    table = property_table(f"job {job.id}")
    table.add_row("state", colored_text(job.state))
    if job.error:
        table.add_row("reason", printable_text(job.error, LONGEST_TEXT))
    table.add_row("source", printable_text(job.source, LONGEST_TEXT))
    if job.key is not None:
        table.add_row("key", printable_text(job.key, LONGEST_TEXT))
    table.add_row("text", stored_text(job))
    if job.state == JobState.SCORED and not predictions:
        table.add_row("predictions", Text("deleted", style="dim"))
    if job.text_hash is not None:
        table.add_row("keyed hash", job.text_hash.hex())
    elif job.text_sha256 is not None:
        table.add_row("sha256", job.text_sha256.hex())
    if job.notes:
        table.add_row("notes", ", ".join(job.notes))
    table.add_row("attempts", str(job.attempts))
    for name in TIMES:
        if (moment := getattr(job, name)) is not None:
            table.add_row(name.removesuffix("_at").replace("_", " "), format_time(moment))
    return table


def stored_text(job: Row[Any]) -> Text:
    if job.text is None:
        return Text("deleted", style="dim")
    text = printable_text(job.text, LONGEST_TEXT)
    if len(job.text) > LONGEST_TEXT:
        text.append(f" ({len(job.text):,} characters; --json prints all)", style="dim")
    return text


def prediction_table(prediction: Row[Any]) -> Table:
    table = property_table(f"{prediction.role} prediction of {prediction.model}")
    confidence = format_number(prediction.confidence, 4)
    table.add_row("decision", colored_text(prediction.decision))
    if reason := review_reason_of(prediction):
        table.add_row("reason", reason)
    table.add_row("label", f"{prediction.label}, confidence {confidence}")
    table.add_row("probability", format_number(prediction.probability, 4))
    windows = f", {prediction.windows} windows ({prediction.window_rule})"
    table.add_row("tokens", f"{prediction.tokens:,}" + (windows if prediction.windows > 1 else ""))
    if prediction.notes:
        table.add_row("notes", ", ".join(prediction.notes))
    table.add_row("queued for", f"{prediction.queue_ms:,.0f} ms")
    table.add_row("scored in", f"{prediction.score_ms:,.1f} ms")
    table.add_row("scored at", format_time(prediction.scored_at))
    features = (f"{name} {value:g}" for name, value in prediction.features.items())
    table.add_row("features", ", ".join(features))
    return table
