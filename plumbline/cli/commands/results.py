"""`plumbline results`: the results of texts, as a table or as a file."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from plumbline.cli.database import database
from plumbline.cli.output import exports
from plumbline.cli.output.console import err, out
from plumbline.cli.output.json_output import JsonOption
from plumbline.cli.output.results_table import results_table
from plumbline.cli.times import parse_time
from plumbline.errors import OptionInvalid
from plumbline.services import connected
from plumbline.settings import Settings
from plumbline.standard_streams import data_stream
from plumbline_client.results import Result, ResultFilter
from plumbline_client.states import JobState
from scoring.score import Decision
from storage.jobs.results import find, stream

TABLE_ROWS = 50


class Output(StrEnum):
    TABLE = "table"
    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"


def results(
    source: Annotated[str | None, typer.Option(help="Only from this source.")] = None,
    state: Annotated[JobState | None, typer.Option(help="Only in this state.")] = None,
    decision: Annotated[Decision | None, typer.Option(help="Only with this decision.")] = None,
    model: Annotated[str | None, typer.Option(help="Only scored by NAME/VERSION.")] = None,
    since: Annotated[
        str | None, typer.Option(help="Submitted since: 10m, 2h or 1d ago, or a date.")
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="Submitted before: a duration ago, or a date.")
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            min=1,
            help=f"Maximum number, newest first. Default: {TABLE_ROWS} in a table, all in a file.",
        ),
    ] = None,
    format: Annotated[
        Output | None, typer.Option(help="Default: by the name of --output, else a table.")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="Write to this file.")] = None,
    raw: Annotated[
        bool,
        typer.Option("--raw", help="CSV with the exact texts, although some may be formulas."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show the results of texts, newest first."""
    conditions = ResultFilter(
        source=source,
        state=state,
        decision=decision,
        model=model,
        since=None if since is None else parse_time(since, "--since"),
        until=None if until is None else parse_time(until, "--until"),
    )
    output_format = choose_format(format, output, as_json)
    if raw and output_format is not Output.CSV:
        raise OptionInvalid("--raw is for CSV alone: the other formats are always exact.")
    services = connected(Settings.read())
    with database(services) as engine, engine.connect() as connection:
        if output_format is Output.TABLE:
            rows = limit or TABLE_ROWS
            print_results(find(connection, conditions, rows + 1), rows)
            return
        stored = stream(connection, conditions, limit)
        if as_json:
            exports.write_json(stored, data_stream())
        elif output is None:
            exports.write(stored, output_format.value, data_stream(), raw=raw)
        else:
            count = exports.save(stored, output_format.value, output, raw=raw)
            err.print(f"{count:,} results are in {output}", markup=False, soft_wrap=True)


def choose_format(format: Output | None, output: Path | None, as_json: bool) -> Output:
    """Return the format to write; raise OptionInvalid if the options contradict each other."""
    if as_json and (format is not None or output is not None):
        raise OptionInvalid("--json prints to the terminal; with --output use --format jsonl.")
    if as_json:
        return Output.JSONL
    if output is None:
        if format is Output.PARQUET:
            raise OptionInvalid("Parquet needs a file: name it with --output.")
        return format or Output.TABLE
    if format is None:
        suffix = output.suffix.removeprefix(".").lower()
        if suffix not in exports.FORMATS:
            raise OptionInvalid(f"{output} is not .csv, .jsonl or .parquet; add --format.")
        return Output(suffix)
    if format is Output.TABLE:
        raise OptionInvalid(
            "A table is printed to the terminal; --output needs --format csv, jsonl or parquet."
        )
    return format


def print_results(newest: list[Result], rows: int) -> None:
    """Print at most `rows` results; if `newest` has more, print how to get them."""
    if not newest:
        out.print("No results match.")
        return
    out.print(results_table(newest[:rows]))
    if len(newest) > rows:
        out.print(f"Only the newest {rows}; --limit shows more, --output saves all.")
