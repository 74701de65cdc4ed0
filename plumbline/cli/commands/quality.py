"""`plumbline quality`: accuracy and F1, estimated, from labels, and from both together."""

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
from plumbline.cli.json_option import JsonOption
from plumbline.cli.output.console import column_table, err, out, printable_text
from plumbline.cli.output.json_output import print_json
from plumbline.cli.times import parse_duration
from plumbline.label_request import labelling_steps
from plumbline.queues import QUALITY_TASK
from plumbline.services import connected
from plumbline.settings import Settings
from storage.reports.quality import MetricValues, QualityWindow, find_windows
from storage.states import EstimateStatus, Role

SHOWN_METRICS = ("accuracy", "f1")
DAY_S = 86_400.0
# Narrower terminals have room for the columns, but not for space between them.
COMFORTABLE_WIDTH = 76
ESTIMATE_NOTES = {
    EstimateStatus.TRUSTED: None,
    EstimateStatus.DRIFT: "not trustworthy under drift",
    EstimateStatus.UNCHECKED: "not checked for drift",
}

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
    """Print accuracy and F1 of the newest windows, with 95% intervals.

    Estimated from the predictions alone, realized on the labels alone, and combined from the
    labels of a random sample and all predictions.
    """
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
        out.print(windows_table(windows, out.width))
        for notice in notices(windows):
            err.print(notice)
    else:
        out.print("There is no quality report yet; `plumbline quality run` makes one.")


def windows_table(windows: Sequence[QualityWindow], width: int) -> Table:
    """Return a table with whole intervals from 60 columns; longer names of versions are folded."""
    table = column_table("window", "metric", "estimated", "combined", "realized")
    table.leading = 1
    if width < COMFORTABLE_WIDTH:
        table.padding = (0, 0)
    for column in table.columns[1:]:
        column.no_wrap = True
    table.columns[0].overflow = "fold"
    for window in windows:
        metrics = {values.metric: values for values in window.metrics}
        shown = [metrics.get(metric) or MetricValues(metric) for metric in SHOWN_METRICS]
        table.add_row(
            format_window(window),
            Text("\n\n".join(SHOWN_METRICS)),
            format_estimated(window, shown),
            format_combined(window, shown),
            stacked(*(format_interval(m.realized, m.realized_low, m.realized_high) for m in shown)),
        )
    return table


def notices(windows: Sequence[QualityWindow]) -> list[str]:
    """Return what to do about the newest live window, if its estimate is not trustworthy."""
    window = next((window for window in windows if window.role == Role.LIVE), None)
    if window is None or window.estimate_status != EstimateStatus.DRIFT or is_sampled(window):
        return []
    about = window.model if window.source is None else f"{window.model}, source {window.source}"
    return [
        f"The texts of {about} have drifted, so the estimate of its accuracy is withheld: "
        f"{labelling_steps(window.source)}."
    ]


def is_sampled(window: QualityWindow) -> bool:
    """Return whether labels of random texts stand for all texts of the window."""
    return bool(window.random_rows) and window.combined_share == 1.0


def format_period(start: datetime, end: datetime) -> Text:
    """Format a whole day as its date. Times are UTC because windows are aligned to UTC."""
    if (end - start).total_seconds() == DAY_S and f"{start:%H%M}" == "0000":
        return Text(f"{start:%Y-%m-%d}")
    return Text(f"{start:%Y-%m-%d}\n{start:%H:%M}-{end:%H:%M}")


def format_window(window: QualityWindow) -> Text:
    """Format the period, the version, the source and the counts, one below the other."""
    lines = [
        format_period(window.window_from, window.window_to),
        printable_text(window.model),
        dim(window.source or "all sources"),
        *([dim("shadow")] if window.role == Role.SHADOW else []),
        *([] if window.sampled_rows is None else [dim(f"from {window.sampled_rows:,} of")]),
        dim(f"{window.window_rows:,} texts"),
    ]
    if window.labelled_rows:
        at_random = "" if window.random_rows == window.labelled_rows else f"{window.random_rows:,} "
        lines += [dim(f"{window.labelled_rows:,} labels"), dim(f"{at_random}at random")]
        if (window.labelled_share or 1.0) < 1.0 and window.labelled_sources:
            lines.append(dim(f"{format_sources(window.labelled_sources)} only"))
    return Text("\n").join(lines)


def format_sources(sources: Sequence[str]) -> str:
    return sources[0] if len(sources) == 1 else f"{sources[0]}, {len(sources) - 1} more"


def format_estimated(window: QualityWindow, metrics: Sequence[MetricValues]) -> Text:
    if window.estimate_status == EstimateStatus.DRIFT:
        return warning("not", "trustworthy", "under drift")
    figures = stacked(
        *(format_interval(m.estimated, m.estimated_low, m.estimated_high) for m in metrics)
    )
    if window.estimate_status == EstimateStatus.UNCHECKED and figures.plain.strip():
        return Text("\n").join([figures, warning("not checked", "for drift")])
    return figures


def format_combined(window: QualityWindow, metrics: Sequence[MetricValues]) -> Text:
    figures = stacked(
        *(format_interval(m.combined, m.combined_low, m.combined_high) for m in metrics)
    )
    share = window.combined_share or 1.0
    if share < 1.0 and figures.plain.strip():
        return Text("\n").join([figures, dim(f"of {share:.0%}"), dim("of texts")])
    return figures


def stacked(*intervals: Text) -> Text:
    """Place intervals of two lines below each other; one without a value leaves its lines empty."""
    lines = [interval if interval.plain else Text("\n") for interval in intervals]
    return Text("\n").join(lines)


def format_interval(value: float | None, low: float | None, high: float | None) -> Text:
    """Format a value above its interval."""
    if value is None or low is None or high is None:
        return Text()
    return Text(f"{value:.3f}\n") + Text(f"{low:.3f}-{high:.3f}", style="dim")


def dim(line: str) -> Text:
    return Text(str(printable_text(line, 40)), style="dim")


def warning(*lines: str) -> Text:
    return Text("\n".join(lines), style="yellow")


def window_to_json(window: QualityWindow) -> dict[str, Any]:
    """Return the columns of the view `plumbline.quality`, with the metrics by name."""
    values = asdict(window)
    metrics = values.pop("metrics")
    return values | {
        "estimate_note": ESTIMATE_NOTES[window.estimate_status],
        "metrics": {metric.pop("metric"): metric for metric in metrics},
    }
