"""`plumbline quality`: accuracy and F1, estimated and realized by labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from plumbline.cli import report_request
from plumbline.cli.database import database
from plumbline.cli.output.console import column_table, err, out, printable_text
from plumbline.cli.output.json_output import JsonOption, print_json
from plumbline.cli.times import parse_duration
from plumbline.queues import QUALITY_TASK
from plumbline.services import connected
from plumbline.settings import Settings
from storage.reports.quality import MetricValues, QualityWindow, find_windows
from storage.states import Role

SHOWN_METRICS = ("accuracy", "f1")
DAY_S = 86_400.0

app = typer.Typer(help="Quality of the predictions: estimated, and realized by labels.")


@app.callback(invoke_without_command=True)
def quality(
    context: typer.Context,
    model: Annotated[str | None, typer.Option(help="Only this NAME/VERSION.")] = None,
    source: Annotated[
        str | None, typer.Option(help="Texts from this source. Default: from all sources together.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of windows.")] = 14,
    as_json: JsonOption = False,
) -> None:
    """Print the newest windows: accuracy and F1, estimated and realized, with 95% intervals."""
    if context.invoked_subcommand is not None:
        return
    with database(connected(Settings.read())) as engine, engine.connect() as connection:
        windows = find_windows(connection, model=model, source=source, limit=limit)
    print_windows(windows, as_json)


@app.command()
def run(
    timeout: Annotated[str, typer.Option(help="How long to wait for the reports.")] = "2m",
    as_json: JsonOption = False,
) -> None:
    """Update the reports now, and print the current window and those that changed."""
    services = connected(Settings.read())
    timeout_s = parse_duration(timeout, "--timeout")
    with database(services) as engine:
        with engine.connect() as connection:
            # Without tables no report can be written, so this fails before the task is sent.
            find_windows(connection, limit=1)
        task_id = report_request.send(QUALITY_TASK, {"asked": True}, services)
        with err.status("waiting for the reports ..."):
            windows = report_request.wait_for(
                engine,
                lambda connection: find_windows(connection, task_id=task_id) or None,
                timeout_s,
            )
    print_windows(windows, as_json)


def print_windows(windows: Sequence[QualityWindow], as_json: bool) -> None:
    if as_json:
        print_json({"reports": [window_to_json(window) for window in windows]})
    elif windows:
        out.print(windows_table(windows))
    else:
        out.print("There is no quality report yet; `plumbline quality run` makes one.")


def windows_table(windows: Sequence[QualityWindow]) -> Table:
    estimated = (f"est. {metric}" for metric in SHOWN_METRICS)
    table = column_table("window", "version", "texts", *estimated, "labels", *SHOWN_METRICS)
    for column in table.columns[2:]:
        column.justify = "right"
    for window in windows:
        metrics = {values.metric: values for values in window.metrics}
        table.add_row(
            format_period(window.window_from, window.window_to),
            format_version(window),
            f"{window.window_rows:,}",
            *(format_estimated(metrics.get(metric)) for metric in SHOWN_METRICS),
            f"{window.labelled_rows:,}" if window.labelled_rows else "",
            *(format_realized(metrics.get(metric)) for metric in SHOWN_METRICS),
        )
    return table


def format_period(start: datetime, end: datetime) -> Text:
    """Format a whole day as its date. Times are UTC because windows are aligned to UTC."""
    if (end - start).total_seconds() == DAY_S and f"{start:%H%M}" == "0000":
        return Text(f"{start:%Y-%m-%d}")
    return Text(f"{start:%Y-%m-%d}\n{start:%H:%M}-{end:%H:%M}")


def format_version(window: QualityWindow) -> Text:
    text = printable_text(window.model)
    for note in (window.source, "shadow" if window.role == Role.SHADOW else None):
        if note is not None:
            text = text + Text("\n") + Text(str(printable_text(note, 20)), style="dim")
    return text


def format_estimated(values: MetricValues | None) -> Text:
    if values is None:
        return Text()
    return format_interval(values.estimated, values.estimated_low, values.estimated_high)


def format_realized(values: MetricValues | None) -> Text:
    if values is None:
        return Text()
    return format_interval(values.realized, values.realized_low, values.realized_high)


def format_interval(value: float | None, low: float | None, high: float | None) -> Text:
    """Format a value above its interval."""
    if value is None or low is None or high is None:
        return Text()
    return Text(f"{value:.3f}\n") + Text(f"{low:.3f}-{high:.3f}", style="dim")


def window_to_json(window: QualityWindow) -> dict[str, Any]:
    """Return the columns of the view `plumbline.quality`, with the metrics by name."""
    values = asdict(window)
    metrics = values.pop("metrics")
    return values | {"metrics": {metric.pop("metric"): metric for metric in metrics}}
