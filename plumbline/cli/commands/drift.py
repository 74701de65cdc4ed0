"""`plumbline drift`: request a drift report and read the existing ones."""

from __future__ import annotations

import os
import sys
import webbrowser
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy import Connection, Row

from plumbline.cli import report_request
from plumbline.cli.commands.drift_accept import accept, accepted, revoke
from plumbline.cli.commands.drift_request import task_arguments, with_absolute_times
from plumbline.cli.database import database
from plumbline.cli.json_option import JsonOption
from plumbline.cli.output.console import (
    colored_text,
    column_table,
    err,
    format_short_time,
    out,
    printable_text,
)
from plumbline.cli.output.drift_overview import (
    DriftOverview,
    no_verdict,
    overview_document,
    overview_table,
    read_overview,
)
from plumbline.cli.output.drift_report import (
    ReportWithValues,
    print_report,
    read_report,
    read_report_of_task,
)
from plumbline.cli.output.drift_traffic import print_traffic, read_traffic, traffic_document
from plumbline.cli.output.json_output import print_json
from plumbline.cli.output.rows import row_values
from plumbline.cli.times import parse_duration
from plumbline.errors import OptionInvalid, ReferenceMissing, ReportMissing
from plumbline.queues import DRIFT_TASK
from plumbline.services import Services, connected
from plumbline.settings import Settings
from storage.reports.accepted_references import in_force
from storage.reports.drift import find_reports
from storage.serving.deployments import live_model
from storage.states import DriftVerdict, ReferenceKind

app = typer.Typer(help="Compare recent texts and predictions with validation texts.")


@app.command()
def run(
    source: Annotated[str | None, typer.Option(help="Only texts from this source.")] = None,
    since: Annotated[
        str | None,
        typer.Option(
            help="Start of the window: 10m, 2h or 1d ago, or a date. "
            "Default: PLUMBLINE_DRIFT_WINDOW_S."
        ),
    ] = None,
    last: Annotated[
        int | None, typer.Option(min=1, help="Number of newest predictions, instead of --since.")
    ] = None,
    reference: Annotated[
        ReferenceKind | None,
        typer.Option(
            help="Compare with the version's validation texts (profile) or with earlier live texts."
        ),
    ] = None,
    reference_since: Annotated[
        str | None, typer.Option(help="Start of the earlier window: 2d ago, or a date.")
    ] = None,
    reference_until: Annotated[
        str | None,
        typer.Option(help="End of the earlier window. Default: the start of the compared one."),
    ] = None,
    text: Annotated[
        bool,
        typer.Option(
            "--text", help="Also compare the texts (English only); needs --reference window."
        ),
    ] = False,
    timeout: Annotated[str, typer.Option(help="How long to wait for the report.")] = "2m",
    as_json: JsonOption = False,
) -> None:
    """Request a report from the reports worker, and print it."""
    arguments = task_arguments(
        source=source,
        since=since,
        last=last,
        reference=reference,
        reference_since=reference_since,
        reference_until=reference_until,
        text=text,
    )
    timeout_s = parse_duration(timeout, "--timeout")
    settings = Settings.read()
    if last is not None and last > settings.drift_max_rows:
        raise OptionInvalid(
            f"--last is at most {settings.drift_max_rows:,} here (PLUMBLINE_DRIFT_MAX_ROWS)."
        )
    services = connected(settings)
    report = request_report(services, arguments, timeout_s, settings.drift_min_rows)
    print_report(report, None, None, as_json)
    with database(services) as engine, engine.connect() as connection:
        print_kept_verdict(report.report, read_overview(connection, settings.drift_valid_s))


@app.command("list")
def list_reports(
    source: Annotated[str | None, typer.Option(help="Only reports on this source.")] = None,
    verdict: Annotated[
        DriftVerdict | None, typer.Option(help="Only reports with this verdict.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of reports.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """Print the worst current verdict and the open alerts, then the reports, newest first."""
    settings = Settings.read()
    with database(connected(settings)) as engine, engine.connect() as connection:
        overview = read_overview(connection, settings.drift_valid_s)
        reports = find_reports(connection, source=source, verdict=verdict, limit=limit)
    if as_json:
        listed = {"reports": [row_values(report) for report in reports]}
        print_json(listed | overview_document(overview))
        return
    out.print(overview_table(overview))
    if reports:
        print_list(reports, overview.live_model)
    elif source is None and verdict is None:
        out.print("There is no drift report yet; `plumbline drift run` makes one.")
    else:
        out.print("There are no such drift reports.")


@app.command()
def show(
    report: Annotated[
        int | None,
        typer.Argument(help="The report's number. Default: the one with the worst verdict now."),
    ] = None,
    feature: Annotated[
        str | None, typer.Option(help="Feature to draw. Default: the one that drifted most.")
    ] = None,
    png: Annotated[
        Path | None,
        typer.Option(
            help="Also write a picture of --feature, or of up to six features that drifted."
        ),
    ] = None,
    texts: Annotated[
        int, typer.Option(min=0, help="Number of the least familiar texts to print.")
    ] = 5,
    as_json: JsonOption = False,
) -> None:
    """Print a report's drift scores, its sources and its least familiar texts.

    Draws one feature in the reference and in the window.
    """
    settings = Settings.read()
    with database(connected(settings)) as engine, engine.connect() as connection:
        overview = read_overview(connection, settings.drift_valid_s)
        stored = read_report(connection, worst_report(overview) if report is None else report)
        traffic = read_traffic(connection, stored, texts)
    more, above = traffic_document(traffic), None
    if report is None:
        more, above = more | overview_document(overview), overview_table(overview)
    print_report(stored, feature, png, as_json, more, above)
    if not as_json:
        print_traffic(traffic)


@app.command("open")
def open_report(
    report: Annotated[
        int | None, typer.Argument(help="The report's number. Default: the newest with a page.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Open a report's page in a browser, or print its path if there is no display."""
    with database(connected(Settings.read())) as engine, engine.connect() as connection:
        if report is None:
            # A newer report on too little data has no page.
            with_page = find_reports(connection, with_page=True, limit=1)
            report = with_page[0].id if with_page else None
        stored = read_report(connection, report).report
    path = find_page(stored)
    if as_json:
        print_json({"id": stored.id, "html_path": str(path)})
        return
    if has_display() and webbrowser.open(path.as_uri()):
        err.print(f"Opened report {stored.id}.")
    out.print(str(path), markup=False, soft_wrap=True)


def request_report(
    services: Services, arguments: Mapping[str, Any], timeout_s: float, min_rows: int
) -> ReportWithValues:
    with database(services) as engine:
        with engine.connect() as connection:
            # Without tables no report can be written, so this fails before the task is sent.
            find_reports(connection, limit=1)
            if arguments.get("reference") == ReferenceKind.ACCEPTED:
                check_accepted(connection, arguments.get("source"), min_rows)
            absolute = with_absolute_times(arguments, connection)
        task_id = report_request.send(DRIFT_TASK, absolute, services)
        with err.status("waiting for the report ..."):
            return report_request.wait_for(
                engine, lambda connection: read_report_of_task(connection, task_id), timeout_s
            )


def check_accepted(connection: Connection, source: str | None, min_rows: int) -> None:
    """Raise ReferenceMissing if no traffic is accepted, instead of requesting a failed report."""
    model = live_model(connection)
    if model is None or in_force(connection, model, source, min_rows) is None:
        about = "" if source is None else f" of source {source}"
        raise ReferenceMissing(
            f"No traffic{about} is accepted as the reference of the live version; `plumbline drift "
            "accept` accepts some, and `plumbline drift accepted` lists it."
        )


def print_kept_verdict(report: Row[Any], overview: DriftOverview) -> None:
    """Print a notice if the report does not end an alarming verdict on the same texts."""
    if report.verdict in (DriftVerdict.DRIFT, DriftVerdict.FAILED):
        return
    for kept in overview.current:
        same = (kept.model, kept.source) == (report.model, report.source)
        if same and kept.alarming:
            err.print(
                f"The current verdict stays {kept.verdict}, that of report {kept.id}: a report "
                "ends it if it has enough texts, the default reference, and the default window or "
                "one as large."
            )


def worst_report(overview: DriftOverview) -> int | None:
    """Return the report with the worst current verdict; None before the first deployment.

    Raises ReportMissing if the live version has none: those of other versions are history.
    """
    if overview.current:
        return overview.current[0].id
    if overview.live_model is None:
        return None
    raise ReportMissing(
        f"There is {no_verdict(overview.live_model, overview.reported)}; `plumbline drift run` "
        "makes one, and `plumbline drift list` shows the earlier ones."
    )


def print_list(reports: Sequence[Row[Any]], live_model: str | None) -> None:
    """Print a row per report; those of versions that are not live are history, and dim."""
    history = any(report.model != live_model for report in reports)
    names = ["id", "created", "source", "reference", "verdict", "summary"]
    if history:
        names.insert(2, "model")
    table = column_table(*names)
    for column in table.columns[:-1]:
        column.no_wrap = True
    for report in reports:
        model = [printable_text(report.model, 20)] if history else []
        table.add_row(
            str(report.id),
            format_short_time(report.created_at),
            *model,
            printable_text(report.source or "all", 16),
            report.reference,
            colored_text(report.verdict),
            printable_text(report.summary, 200),
            style="dim" if report.model != live_model else None,
        )
    out.print(table)


def find_page(report: Row[Any]) -> Path:
    """Return the report's HTML file. Raises ReportMissing with the reason why it is missing."""
    hint = f"`plumbline drift show {report.id}` prints its values"
    if report.html_path is None:
        raise ReportMissing(f"Report {report.id} has no page; {hint}.")
    path = Path(report.html_path)
    if path.is_file():
        return path
    if path.parent.is_dir():
        raise ReportMissing(
            f"The page of report {report.id}, {path}, was removed because only the newest "
            f"PLUMBLINE_DRIFT_PAGES are kept; {hint}."
        )
    raise ReportMissing(f"The page of report {report.id} is not on this machine at {path}; {hint}.")


def has_display() -> bool:
    return sys.platform == "darwin" or bool(
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY") or os.environ.get("BROWSER")
    )


for command in (accept, accepted, revoke):
    app.command()(command)
