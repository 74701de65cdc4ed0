"""`plumbline drift`: ask for a report, and read those that were made."""

from __future__ import annotations

import os
import sys
import time
import uuid
import webbrowser
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from plumbline.cli.console import (
    Json,
    clock,
    colored,
    columns,
    err,
    facts,
    out,
    print_json,
    shown,
    when,
)
from plumbline.cli.database import database
from plumbline.cli.times import moment, seconds
from plumbline.errors import ReportMissing
from plumbline.services import connected
from plumbline.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from storage.tables import DriftReport, DriftValue

POLL_S = 0.2
WIDEST_PLOT = 100

app = typer.Typer(help="Compare recent texts and answers with those of training.")

ReportId = Annotated[int | None, typer.Argument(help="The report's number. Default: the newest.")]


@dataclass(frozen=True, slots=True)
class Report:
    """One report with its values, the drifted and strongest first."""

    head: DriftReport
    values: list[DriftValue]


@app.command()
def run(
    source: Annotated[str | None, typer.Option(help="Only texts of this source.")] = None,
    since: Annotated[
        str | None,
        typer.Option(
            help="Scored since: 10m, 2h, 1d ago, or a date. Default: the setting's window."
        ),
    ] = None,
    timeout: Annotated[str, typer.Option(help="How long to wait for the report.")] = "2m",
    as_json: Json = False,
) -> None:
    """Have a report made now by the reports worker, and show it."""
    settings = connected(Settings.read())
    start = None if since is None else moment(since, "--since")
    timeout_s = seconds(timeout, "--timeout")
    with database(settings) as engine:
        # Before anything is asked for: without tables no report could come.
        with engine.connect() as connection:
            from storage.drift import reports

            reports(connection, limit=1)
        task_id = ask(settings, source, start)
        with err.status("waiting for the report ..."):
            found = await_report(engine, task_id, timeout_s)
    tell(found, None, as_json)


@app.command("list")
def list_reports(
    limit: Annotated[int, typer.Option(min=1, help="Newest first.")] = 20, as_json: Json = False
) -> None:
    """List the reports, the newest first."""
    with database(Settings.read()) as engine, engine.connect() as connection:
        from storage.drift import reports

        found = reports(connection, limit)
    if as_json:
        print_json({"reports": [values_of(report) for report in found]})
        return
    if not found:
        out.print("There is no drift report yet; `plumbline drift run` makes one.")
        return
    table = columns("id", "made", "source", "verdict", "summary")
    for column in table.columns[:-1]:
        column.no_wrap = True
    for report in found:
        table.add_row(
            str(report.id),
            clock(report.created_at),
            shown(report.source or "all", 16),
            colored(report.verdict),
            shown(report.summary, 200),
        )
    out.print(table)


@app.command()
def show(
    report: ReportId = None,
    feature: Annotated[
        str | None, typer.Option(help="Plot this one. Default: the most drifted.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show a report's values, and one feature then and now."""
    with database(Settings.read()) as engine, engine.connect() as connection:
        found = read(connection, report)
    tell(found, feature, as_json)


@app.command("open")
def open_report(report: ReportId = None, as_json: Json = False) -> None:
    """Open a report's page in a browser, or print where it is if there is no display."""
    with database(Settings.read()) as engine, engine.connect() as connection:
        found = read(connection, report)
    path = page(found.head)
    if as_json:
        print_json({"id": found.head.id, "html_path": str(path)})
        return
    if has_display() and webbrowser.open(path.as_uri()):
        err.print(f"Opened report {found.head.id}.")
    out.print(str(path), markup=False, soft_wrap=True)


def ask(settings: Settings, source: str | None, since: datetime | None) -> str:
    """Send the drift task; return its id. Raises BrokerUnavailable."""
    from plumbline.messages import DRIFT_TASK, REPORT_QUEUE
    from plumbline.publisher import Publisher

    assert settings.broker_url is not None
    task_id = str(uuid.uuid4())
    arguments = {"source": source, "since": since.isoformat() if since else None}
    publisher = Publisher(settings.broker_url.get_secret_value())
    try:
        publisher.send(DRIFT_TASK, arguments, REPORT_QUEUE, task_id)
    finally:
        publisher.close()
    return task_id


def await_report(engine: Engine, task_id: str, timeout_s: float) -> Report:
    """The report the task made; raises ReportMissing where none came in time."""
    from storage.drift import report_of_task

    deadline = time.monotonic() + timeout_s
    while True:
        with engine.connect() as connection:
            report_id = report_of_task(connection, task_id)
            if report_id is not None:
                return read(connection, report_id)
        if time.monotonic() > deadline:
            raise ReportMissing(
                f"No report came within {timeout_s:g} s: is a reports worker running? "
                "`plumbline up` runs one, as does `celery -A worker worker -Q plumbline.reports "
                "--concurrency=1`; the request waits for it."
            )
        time.sleep(POLL_S)


def read(connection: Connection, report_id: int | None) -> Report:
    """The report, or the newest one; raises ReportMissing."""
    from storage import drift

    if report_id is None:
        newest = drift.reports(connection, limit=1)
        if not newest:
            raise ReportMissing("There is no drift report yet; `plumbline drift run` makes one.")
        report_id = newest[0].id
    # PostgreSQL's bigint ends there, and asking beyond it is an error of its own.
    found = drift.report(connection, report_id) if 0 < report_id < 2**63 else None
    if found is None:
        raise ReportMissing(f"There is no drift report {report_id}; see `plumbline drift list`.")
    return Report(*found)


def tell(report: Report, feature: str | None, as_json: bool) -> None:
    picture = plotted(report, feature)
    if as_json:
        values = [values_of(value) for value in report.values]
        print_json(values_of(report.head) | {"values": values})
        return
    out.print(head_table(report.head))
    if report.values:
        out.print(values_table(report.values))
    if picture is not None:
        from plumbline.cli.plot import histograms

        out.print(histograms(picture, min(out.width, WIDEST_PLOT)))


def plotted(report: Report, feature: str | None) -> DriftValue | None:
    """The value to draw: the feature asked for, else the first. Raises ReportMissing."""
    if feature is None:
        return report.values[0] if report.values else None
    for value in report.values:
        if value.feature == feature:
            return value
    there = ", ".join(sorted(value.feature for value in report.values)) or "none"
    raise ReportMissing(f"Report {report.head.id} has no feature {feature!r}; it has: {there}.")


def head_table(report: DriftReport) -> Table:
    table = facts(f"drift report {report.id}")
    table.add_row("verdict", colored(report.verdict))
    table.add_row("", shown(report.summary, 1_000))
    table.add_row("model", report.model)
    if report.source is not None:
        table.add_row("source", shown(report.source))
    table.add_row("texts", f"{report.window_rows:,}, against {report.reference_rows:,} of training")
    if report.window_from is not None:
        table.add_row("scored", f"{when(report.window_from)} to {when(report.window_to)}")
    table.add_row("made", f"{when(report.created_at)} in {report.took_ms / 1000:.1f} s")
    if report.html_path is not None:
        table.add_row("page", Text(report.html_path))
    return table


def values_table(values: list[DriftValue]) -> Table:
    table = columns("feature", "", "value", "drifts under", "method")
    for value in values:
        table.add_row(
            value.feature,
            Text("drifted", style="red") if value.drifted else "",
            f"{value.value:.2g}",
            f"{value.threshold:.2g}",
            value.method,
        )
    return table


def page(report: DriftReport) -> Path:
    """Where the report's HTML is; raises ReportMissing where there is none on this machine."""
    if report.html_path is None:
        raise ReportMissing(
            f"Report {report.id} has no page; `plumbline drift show {report.id}` has its values."
        )
    path = Path(report.html_path)
    if not path.is_file():
        raise ReportMissing(
            f"The page of report {report.id} is not on this machine at {path}; "
            f"`plumbline drift show {report.id}` has its values."
        )
    return path


def has_display() -> bool:
    return sys.platform == "darwin" or bool(
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY") or os.environ.get("BROWSER")
    )


def values_of(row: DriftReport | DriftValue) -> dict[str, Any]:
    return {column.key: getattr(row, column.key) for column in row.__table__.columns}
