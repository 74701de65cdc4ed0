"""`plumbline results`: the results of texts, as a table or as a file."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from plumbline.cli.database import database
from plumbline.cli.json_option import JsonOption
from plumbline.cli.output import exports
from plumbline.cli.output.console import err, out
from plumbline.cli.output.results_table import results_table
from plumbline.cli.sample import SampleOutput, check_sample, write_sample
from plumbline.cli.times import parse_time
from plumbline.errors import OptionInvalid
from plumbline.services import connected
from plumbline.settings import Settings
from plumbline.standard_streams import data_stream
from plumbline_client.results import Result, ResultFilter
from plumbline_client.states import JobState
from scoring.score import Decision
from storage.database import absolute_time
from storage.jobs.results import find, stream
from storage.jobs.samples import SampleRequest
from storage.states import Sampling

TABLE_ROWS = 50


class Output(StrEnum):
    TABLE = "table"
    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"


def results(
    source: Annotated[
        list[str] | None,
        typer.Option(help="Only from this source. With --sample, repeat it for several."),
    ] = None,
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
    sample: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Draw this many texts to label, as CSV with an empty column label for `plumbline "
            "label`. With --source, this many of each named source.",
        ),
    ] = None,
    by: Annotated[
        Sampling | None,
        typer.Option(
            help="How to draw: at random (default), the least confident texts first, or the least "
            "familiar ones first."
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(help="The same seed draws the same sample of the same texts. Default: 0."),
    ] = None,
    per_source: Annotated[
        bool, typer.Option("--per-source", help="Draw as many texts of each source.")
    ] = False,
    include_labelled: Annotated[
        bool, typer.Option("--include-labelled", help="Draw labelled texts too.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show the results of texts, newest first, or draw a sample of scored texts to label."""
    sources = source or []
    start = None if since is None else parse_time(since, "--since")
    end = None if until is None else parse_time(until, "--until")
    if sample is not None:
        if state is not None or limit is not None:
            raise OptionInvalid(
                "--sample has its own size and draws scored texts alone: leave out "
                "--state and --limit."
            )
        draft = SampleRequest(
            sample,
            by or Sampling.RANDOM,
            seed or 0,
            sources,
            per_source,
            model,
            decision,
            include_labelled=include_labelled,
        )
        save_sample(draft, start, end, sample_output(format, output, as_json, raw))
        return
    if by is not None or seed is not None or per_source or include_labelled:
        raise OptionInvalid("--by, --seed, --per-source and --include-labelled need --sample.")
    if len(sources) > 1:
        raise OptionInvalid("Only --sample takes more than one --source.")
    conditions = ResultFilter(
        source=sources[0] if sources else None,
        state=state,
        decision=decision,
        model=model,
        since=start,
        until=end,
    )
    output_format = choose_format(format, output, as_json)
    check_raw(raw, output_format)
    show_results(conditions, output_format, limit, output, as_json=as_json, raw=raw)


def show_results(
    conditions: ResultFilter,
    output_format: Output,
    limit: int | None,
    output: Path | None,
    *,
    as_json: bool,
    raw: bool,
) -> None:
    services = connected(Settings.read())
    with database(services) as engine, engine.connect() as connection:
        if output_format is Output.TABLE:
            rows = limit or TABLE_ROWS
            print_results(find(connection, conditions, rows + 1), rows)
            return
        stored = stream(connection, conditions, limit)
        if as_json:
            exports.write_json(stored, data_stream(), exports.RESULTS)
        elif output is None:
            exports.write(stored, output_format.value, data_stream(), exports.RESULTS, raw=raw)
        else:
            count = exports.save(stored, output_format.value, output, exports.RESULTS, raw=raw)
            err.print(f"{count:,} results are in {output}", markup=False, soft_wrap=True)


def save_sample(
    draft: SampleRequest,
    since: datetime | timedelta | None,
    until: datetime | timedelta | None,
    output: SampleOutput,
) -> None:
    """Draw the sample; a duration is that long before PostgreSQL's time."""
    check_sample(draft)
    services = connected(Settings.read())
    with database(services) as engine, engine.connect() as connection:
        request = replace(
            draft,
            since=None if since is None else absolute_time(connection, since),
            until=None if until is None else absolute_time(connection, until),
        )
        write_sample(connection, request, output)


def sample_output(
    format: Output | None, output: Path | None, as_json: bool, raw: bool
) -> SampleOutput:
    """Return where the sample goes: as CSV, unless the options name another format."""
    if format is Output.TABLE:
        raise OptionInvalid("A sample is a file to fill in: use --format csv, jsonl or parquet.")
    if format is None and output is None and not as_json:
        format = Output.CSV
    chosen = choose_format(format, output, as_json)
    check_raw(raw, chosen)
    return SampleOutput(chosen.value, output, document=as_json, raw=raw)


def check_raw(raw: bool, output_format: Output) -> None:
    if raw and output_format is not Output.CSV:
        raise OptionInvalid("--raw is for CSV alone: the other formats are always exact.")


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
