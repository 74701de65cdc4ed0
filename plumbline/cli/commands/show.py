"""`plumbline show`: everything about one job."""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from plumbline.cli.database import database
from plumbline.cli.output.console import Json, colored, facts, number, out, print_json, shown, when
from plumbline.settings import Settings
from plumbline_client.errors import JobUnknown

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from storage.tables import Job, Prediction

PREFIX = re.compile(r"[0-9a-f]{4,32}")
LONGEST_TEXT = 2_000
TIMES = ("created_at", "published_at", "started_at", "lease_until", "deadline", "finished_at")


def show(
    job: Annotated[str, typer.Argument(help="The job's id, or the first 4 digits or more.")],
    as_json: Json = False,
) -> None:
    """Show everything about one job."""
    with database(Settings.read()) as engine, engine.connect() as connection:
        found, predictions = find(connection, job)
    if as_json:
        print_json(document(found, predictions))
        return
    out.print(job_table(found))
    for prediction in predictions:
        out.print(prediction_table(prediction))


def find(connection: Connection, given: str) -> tuple[Job, list[Prediction]]:
    """The job that `given` names; raises JobUnknown for none, for several, and for no id at all."""
    from storage.jobs import results

    wanted = given.strip().lower().replace("-", "")
    if not PREFIX.fullmatch(wanted):
        raise JobUnknown(
            f"{given!r} is no job id; an id looks like {uuid.UUID(int=0x1234 << 112)}, and its "
            "first digits do where they are unique."
        )
    ids = results.ids_with_prefix(connection, wanted)
    if len(ids) > 1:
        raise JobUnknown(f"Several jobs begin with {given}; give more digits.")
    found = results.job(connection, ids[0]) if ids else None
    if found is None:
        raise JobUnknown(f"There is no job {given}.")
    return found


def document(job: Job, predictions: list[Prediction]) -> dict[str, Any]:
    """Every column of the job; `predictions` is a list of every column of each."""
    return values_of(job) | {"predictions": [values_of(prediction) for prediction in predictions]}


def values_of(row: Job | Prediction) -> dict[str, Any]:
    values = {column.key: getattr(row, column.key) for column in row.__table__.columns}
    return {k: v.hex() if isinstance(v, bytes) else v for k, v in values.items()}


def job_table(job: Job) -> Table:
    table = facts(f"job {job.id}")
    table.add_row("state", colored(job.state))
    if job.error:
        table.add_row("reason", shown(job.error, LONGEST_TEXT))
    table.add_row("source", shown(job.source, LONGEST_TEXT))
    if job.key is not None:
        table.add_row("key", shown(job.key, LONGEST_TEXT))
    table.add_row("text", whole_text(job))
    table.add_row("sha256", job.text_sha256.hex())
    if job.notes:
        table.add_row("notes", ", ".join(job.notes))
    table.add_row("attempts", str(job.attempts))
    for name in TIMES:
        if getattr(job, name) is not None:
            table.add_row(name.removesuffix("_at").replace("_", " "), when(getattr(job, name)))
    return table


def whole_text(job: Job) -> Text:
    if job.text is None:
        return Text("not kept", style="dim")
    text = shown(job.text, LONGEST_TEXT)
    if len(job.text) > LONGEST_TEXT:
        text.append(f" ({len(job.text):,} characters; --json has them all)", style="dim")
    return text


def prediction_table(prediction: Prediction) -> Table:
    table = facts(f"{prediction.role} prediction of {prediction.model}")
    table.add_row("decision", colored(prediction.decision))
    table.add_row("label", f"{prediction.label}, confidence {number(prediction.confidence, 4)}")
    table.add_row("probability", number(prediction.probability, 4))
    windows = f", {prediction.windows} windows ({prediction.window_rule})"
    table.add_row("tokens", f"{prediction.tokens:,}" + (windows if prediction.windows > 1 else ""))
    table.add_row("waited", f"{prediction.queue_ms:,.0f} ms")
    table.add_row("scored in", f"{prediction.score_ms:,.1f} ms")
    table.add_row("scored", when(prediction.scored_at))
    features = (f"{name} {value:g}" for name, value in prediction.features.items())
    table.add_row("features", ", ".join(features))
    return table
