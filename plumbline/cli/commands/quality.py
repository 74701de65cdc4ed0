"""`plumbline quality`: how good the answers are, estimated and by the labels that came."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from plumbline.cli.database import database
from plumbline.cli.output.console import Json, columns, err, out, print_json, shown
from plumbline.cli.times import seconds
from plumbline.errors import ReportMissing
from plumbline.services import connected
from plumbline.settings import Settings

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Engine

    from storage.reports.quality import Measure, Report

POLL_S = 0.2
SHOWN = ("accuracy", "f1")

app = typer.Typer(help="How good the answers are: estimated, and by the labels that came.")


@app.callback(invoke_without_command=True)
def quality(
    context: typer.Context,
    model: Annotated[str | None, typer.Option(help="Only this NAME/VERSION.")] = None,
    source: Annotated[
        str | None, typer.Option(help="Texts of this source. Default: of all together.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Newest first.")] = 14,
    as_json: Json = False,
) -> None:
    """Show the newest windows: accuracy and F1, estimated with 95% intervals and realized."""
    if context.invoked_subcommand is not None:
        return
    with database(Settings.read()) as engine, engine.connect() as connection:
        from storage.reports.quality import reports

        found = reports(connection, model=model, source=source, limit=limit)
    tell(found, as_json)


@app.command()
def run(
    timeout: Annotated[str, typer.Option(help="How long to wait for it.")] = "2m",
    as_json: Json = False,
) -> None:
    """Bring the windows up to date now, and show those that changed and the one of now."""
    settings = connected(Settings.read())
    timeout_s = seconds(timeout, "--timeout")
    with database(settings) as engine:
        # Before anything is asked for: without tables no report could come.
        with engine.connect() as connection:
            from storage.reports.quality import reports

            reports(connection, limit=1)
        task_id = ask(settings)
        with err.status("waiting for the reports ..."):
            found = await_reports(engine, task_id, timeout_s)
    tell(found, as_json)


def ask(settings: Settings) -> str:
    """Send the quality task; return its id. Raises BrokerUnavailable."""
    from plumbline.queues import QUALITY_TASK, REPORT_QUEUE
    from plumbline_client.broker import Publisher

    assert settings.broker_url is not None
    task_id = str(uuid.uuid4())
    with Publisher(settings.broker_url.get_secret_value()) as publisher:
        publisher.send(QUALITY_TASK, {"asked": True}, REPORT_QUEUE, task_id)
    return task_id


def await_reports(engine: Engine, task_id: str, timeout_s: float) -> list[Report]:
    """The reports the task made; raises ReportMissing where none came in time."""
    from storage.reports.quality import reports

    deadline = time.monotonic() + timeout_s
    while True:
        with engine.connect() as connection:
            found = reports(connection, task_id=task_id)
        if found:
            return found
        if time.monotonic() > deadline:
            raise ReportMissing(
                f"No quality report came within {timeout_s:g} s: is a reports worker running? "
                "`plumbline up` runs one, as does `celery -A worker worker -Q plumbline.reports "
                "--concurrency=1`; the request waits for it."
            )
        time.sleep(POLL_S)


def tell(reports: Sequence[Report], as_json: bool) -> None:
    if as_json:
        print_json({"reports": [values_of(report) for report in reports]})
    elif reports:
        out.print(table_of(reports))
    else:
        out.print("There is no quality report yet; `plumbline quality run` makes one.")


def table_of(reports: Sequence[Report]) -> Table:
    table = columns("window", "version", "texts", *(title(m) for m in SHOWN), "labels", *SHOWN)
    for column in table.columns[2:]:
        column.justify = "right"
    for report in reports:
        measures = {measure.metric: measure for measure in report.measures}
        table.add_row(
            span(report.window_from, report.window_to),
            version(report),
            f"{report.window_rows:,}",
            *(estimated(measures.get(metric)) for metric in SHOWN),
            f"{report.labelled_rows:,}" if report.labelled_rows else "",
            *(realized(measures.get(metric)) for metric in SHOWN),
        )
    return table


def title(metric: str) -> str:
    return f"est. {metric}"


def span(start: datetime, end: datetime) -> str:
    """A day by its date; the windows are UTC's, so their times are too."""
    if (end - start).total_seconds() == 86_400 and f"{start:%H%M}" == "0000":
        return f"{start:%Y-%m-%d}"
    return f"{start:%Y-%m-%d}\n{start:%H:%M}-{end:%H:%M}"


def version(report: Report) -> Text:
    text = shown(report.model)
    for word in (report.source, "shadow" if report.role == "shadow" else None):
        if word is not None:
            text = text + Text("\n") + Text(str(shown(word, 20)), style="dim")
    return text


def estimated(measure: Measure | None) -> Text:
    if measure is None:
        return Text()
    return bounded(measure.estimated, measure.estimated_low, measure.estimated_high)


def realized(measure: Measure | None) -> Text:
    if measure is None:
        return Text()
    return bounded(measure.realized, measure.realized_low, measure.realized_high)


def bounded(value: float | None, low: float | None, high: float | None) -> Text:
    """A value above its interval."""
    if value is None or low is None or high is None:
        return Text()
    return Text(f"{value:.3f}\n") + Text(f"{low:.3f}-{high:.3f}", style="dim")


def values_of(report: Report) -> dict[str, Any]:
    """As in the view `plumbline.quality`, the metrics by name."""
    from dataclasses import asdict

    values = asdict(report)
    measures = values.pop("measures")
    return values | {
        "metrics": {measure.pop("metric"): measure for measure in measures},
    }
