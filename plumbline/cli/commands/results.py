"""`plumbline results`: what became of texts, as a table to look at or a file to take away."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from plumbline.cli.database import database
from plumbline.cli.output import exports
from plumbline.cli.output.console import COLORS, Json, clock, colored, columns, err, out, shown
from plumbline.cli.times import moment
from plumbline.errors import OptionInvalid
from plumbline.settings import Settings
from plumbline_client.states import JobState
from scoring.score import Decision

if TYPE_CHECKING:
    from plumbline_client.results import Result

NEWEST = 50


class Output(StrEnum):
    TABLE = "table"
    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"


def results(
    source: Annotated[str | None, typer.Option(help="Only of this source.")] = None,
    state: Annotated[JobState | None, typer.Option(help="Only in this state.")] = None,
    decision: Annotated[Decision | None, typer.Option(help="Only with this decision.")] = None,
    model: Annotated[str | None, typer.Option(help="Only scored by NAME/VERSION.")] = None,
    since: Annotated[
        str | None, typer.Option(help="Submitted since: 10m, 2h, 1d ago, or a date.")
    ] = None,
    until: Annotated[str | None, typer.Option(help="Submitted before; as --since.")] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help=f"Newest first. A table shows {NEWEST}, a file all.")
    ] = None,
    format: Annotated[
        Output | None, typer.Option(help="Default: what the name of --output says, else a table.")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="Write to this file.")] = None,
    as_json: Json = False,
) -> None:
    """Show what became of texts, the newest first."""
    conditions: dict[str, Any] = {
        "source": source,
        "state": state,
        "decision": decision,
        "model": model,
        "since": None if since is None else moment(since, "--since"),
        "until": None if until is None else moment(until, "--until"),
    }
    wanted = chosen(format, output, as_json)
    with database(Settings.read()) as engine, engine.connect() as connection:
        from storage.jobs.results import find, stream

        if wanted is Output.TABLE:
            most = limit or NEWEST
            tell(find(connection, limit=most + 1, **conditions), most)
            return
        rows = stream(connection, limit=limit, **conditions)
        if as_json:
            exports.write_json(rows, sys.stdout)
        elif output is None:
            exports.write(rows, wanted.value, sys.stdout)
        else:
            count = exports.save(rows, wanted.value, output)
            err.print(f"{count:,} results are in {output}", markup=False, soft_wrap=True)


def chosen(format: Output | None, output: Path | None, as_json: bool) -> Output:
    """The format to write; raises OptionInvalid where the options contradict each other."""
    if as_json and (format is not None or output is not None):
        raise OptionInvalid("--json goes to the terminal; with --output use --format jsonl.")
    if as_json:
        return Output.JSONL
    if output is None:
        if format is Output.PARQUET:
            raise OptionInvalid("Parquet needs a file: name it with --output.")
        return format or Output.TABLE
    if format is None:
        suffix = output.suffix.removeprefix(".").lower()
        if suffix not in exports.FORMATS:
            raise OptionInvalid(f"{output} is not .csv, .jsonl or .parquet; say --format.")
        return Output(suffix)
    if format is Output.TABLE:
        raise OptionInvalid("A table goes to the terminal; --output wants csv, jsonl or parquet.")
    return format


def tell(found: list[Result], most: int) -> None:
    if not found:
        out.print("There are no such results.")
        return
    out.print(results_table(found[:most]))
    if len(found) > most:
        out.print(f"The newest {most}; --limit shows more, --output saves all.")


def results_table(results: Iterable[Result]) -> Table:
    table = columns("job", "sent", "source", "state", "answer", "sure", "text or reason")
    for column in table.columns[:-1]:
        column.no_wrap = True
    for result in results:
        text = shown(result.text)
        text.no_wrap, text.overflow = True, "ellipsis"
        table.add_row(
            str(result.job_id)[:8],
            clock(result.created_at),
            shown(result.source, 16),
            colored(result.state),
            answer(result),
            "" if result.confidence is None else f"{result.confidence:.0%}",
            shown(result.error, 200) if result.error else text,
        )
    return table


def answer(result: Result) -> Text:
    """The label in its decision's color; `review` where nobody should trust the label."""
    if result.decision == Decision.REVIEW:
        return Text.assemble(colored(result.decision), f" ({result.label})")
    return Text(result.label or "", style=COLORS.get(result.decision or "", ""))
