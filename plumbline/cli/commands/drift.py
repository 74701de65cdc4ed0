"""`plumbline drift`: ask for a report, and read those that were made."""

from __future__ import annotations

import webbrowser
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from plumbline.cli.commands.drift_page import has_display, page
from plumbline.cli.commands.drift_request import Reference, arguments, ask, await_report
from plumbline.cli.database import database
from plumbline.cli.output.console import Json, clock, colored, columns, err, out, print_json, shown
from plumbline.cli.output.drift_report import read, tell, values_of
from plumbline.cli.times import seconds
from plumbline.errors import OptionInvalid
from plumbline.services import connected
from plumbline.settings import Settings

if TYPE_CHECKING:
    from storage.tables import DriftReport

app = typer.Typer(help="Compare recent texts and answers with those of training.")

ReportId = Annotated[int | None, typer.Argument(help="The report's number. Default: the newest.")]


class Verdict(StrEnum):
    """As `monitoring.drift.verdict` has it."""

    STABLE = "stable"
    DRIFT = "drift"
    TOO_LITTLE_DATA = "too_little_data"
    FAILED = "failed"


@app.command()
def run(
    source: Annotated[str | None, typer.Option(help="Only texts of this source.")] = None,
    since: Annotated[
        str | None,
        typer.Option(
            help="Scored since: 10m, 2h, 1d ago, or a date. Default: the setting's window."
        ),
    ] = None,
    last: Annotated[
        int | None, typer.Option(min=1, help="The newest so many predictions instead of a time.")
    ] = None,
    reference: Annotated[
        Reference | None,
        typer.Option(help="Against the profile of training, or an earlier window of live texts."),
    ] = None,
    reference_since: Annotated[
        str | None, typer.Option(help="That window's beginning: 2d ago, or a date.")
    ] = None,
    reference_until: Annotated[
        str | None, typer.Option(help="And its end. Default: where the compared window begins.")
    ] = None,
    text: Annotated[
        bool,
        typer.Option("--text", help="Compare the texts too; English, with --reference window."),
    ] = False,
    timeout: Annotated[str, typer.Option(help="How long to wait for the report.")] = "2m",
    as_json: Json = False,
) -> None:
    """Have a report made now by the reports worker, and show it."""
    task_arguments = arguments(
        source=source,
        since=since,
        last=last,
        reference=reference,
        reference_since=reference_since,
        reference_until=reference_until,
        text=text,
    )
    timeout_s = seconds(timeout, "--timeout")
    settings = Settings.read()
    if last is not None and last > settings.drift_max_rows:
        raise OptionInvalid(
            f"--last is at most {settings.drift_max_rows:,} here (PLUMBLINE_DRIFT_MAX_ROWS)."
        )
    settings = connected(settings)
    with database(settings) as engine:
        # Before anything is asked for: without tables no report could come.
        with engine.connect() as connection:
            from storage.reports.drift_search import find

            find(connection, limit=1)
        task_id = ask(settings, task_arguments)
        with err.status("waiting for the report ..."):
            found = await_report(engine, task_id, timeout_s)
    tell(found, None, None, as_json)


@app.command("list")
def list_reports(
    source: Annotated[str | None, typer.Option(help="Only of this source.")] = None,
    verdict: Annotated[Verdict | None, typer.Option(help="Only with this verdict.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Newest first.")] = 20,
    as_json: Json = False,
) -> None:
    """List the reports, the newest first."""
    with database(Settings.read()) as engine, engine.connect() as connection:
        from storage.reports.drift_search import find

        found = find(connection, source=source, verdict=verdict, limit=limit)
    if as_json:
        print_json({"reports": [values_of(report) for report in found]})
    elif found:
        print_list(found)
    elif source is None and verdict is None:
        out.print("There is no drift report yet; `plumbline drift run` makes one.")
    else:
        out.print("There are no such drift reports.")


@app.command()
def show(
    report: ReportId = None,
    feature: Annotated[
        str | None, typer.Option(help="Draw this one. Default: the most drifted.")
    ] = None,
    png: Annotated[
        Path | None,
        typer.Option(help="Write a picture too: of --feature, else of up to six that drifted."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show a report's values, and one feature then and now."""
    with database(Settings.read()) as engine, engine.connect() as connection:
        found = read(connection, report)
    tell(found, feature, png, as_json)


@app.command("open")
def open_report(
    report: Annotated[
        int | None, typer.Argument(help="The report's number. Default: the newest with a page.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Open a report's page in a browser, or print where it is if there is no display."""
    with database(Settings.read()) as engine, engine.connect() as connection:
        from storage.reports.drift_search import find

        if report is None:
            # One with too little to judge has no page, and would hide those that have.
            report = next((head.id for head in find(connection, with_page=True, limit=1)), None)
        found = read(connection, report)
    path = page(found.head)
    if as_json:
        print_json({"id": found.head.id, "html_path": str(path)})
        return
    if has_display() and webbrowser.open(path.as_uri()):
        err.print(f"Opened report {found.head.id}.")
    out.print(str(path), markup=False, soft_wrap=True)


def print_list(reports: list[DriftReport]) -> None:
    table = columns("id", "made", "source", "against", "verdict", "summary")
    for column in table.columns[:-1]:
        column.no_wrap = True
    for report in reports:
        table.add_row(
            str(report.id),
            clock(report.created_at),
            shown(report.source or "all", 16),
            report.reference,
            colored(report.verdict),
            shown(report.summary, 200),
        )
    out.print(table)
