"""The head of `status`, `drift list` and `drift show`: the worst verdict and the open alerts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.table import Table
from rich.text import Text
from sqlalchemy import Connection, Row

from plumbline.cli.output.console import (
    colored_text,
    format_time,
    printable_text,
    property_table,
)
from plumbline.cli.output.rows import row_values
from storage.reports.alerts import open_alerts
from storage.reports.current_verdicts import CurrentVerdict, current_verdicts, last_reported
from storage.serving.deployments import live_model

# More lines of one kind do not help anybody who looks at a whole system.
MAX_LINES = 5
LONGEST_SUBJECT = 60
LONGEST_SUMMARY = 300


@dataclass(frozen=True, slots=True)
class DriftOverview:
    """The current verdicts, the worst first, and the open alerts, the worst first.

    `reported` is whether there is a report on the live version, current or not.
    """

    live_model: str | None
    reported: bool
    current: Sequence[CurrentVerdict]
    alerts: Sequence[Row[Any]]


def read_overview(connection: Connection, valid_s: float) -> DriftOverview:
    return DriftOverview(
        live_model(connection),
        last_reported(connection) is not None,
        current_verdicts(connection, valid_s),
        open_alerts(connection),
    )


def overview_document(overview: DriftOverview) -> dict[str, Any]:
    return {
        "current": [asdict(report) for report in overview.current],
        "open_alerts": [row_values(alert) for alert in overview.alerts],
    }


def overview_table(overview: DriftOverview) -> Table:
    table = property_table("current verdict and alerts")
    drift = drift_text(overview.current, overview.live_model, overview.reported)
    table.add_row("drift", drift)
    table.add_row("alerts", alerts_text(overview.alerts))
    return table


def drift_text(current: Sequence[CurrentVerdict], live_model: str | None, reported: bool) -> Text:
    """Return the worst verdict with its model and source, and the names of others like it."""
    if not current:
        return printable_text(no_verdict(live_model, reported), LONGEST_SUMMARY)
    worst = current[0]
    lines = [
        Text.assemble(colored_text(worst.verdict), ": ", subject_text(worst)),
        Text(f"report {worst.id}, {format_time(worst.created_at)}"),
        printable_text(worst.summary, LONGEST_SUMMARY),
    ]
    others = [report for report in current[1:] if report.alarming]
    lines += [
        Text.assemble("also ", colored_text(report.verdict), ": ", subject_text(report))
        for report in others[:MAX_LINES]
    ]
    if len(others) > MAX_LINES:
        lines.append(Text(f"and {len(others) - MAX_LINES:,} more"))
    return Text("\n").join(lines)


def no_verdict(live_model: str | None, reported: bool) -> str:
    """Return why there is no current verdict, without a full stop."""
    if live_model is None:
        return "no report yet"
    if reported:
        return f"no report on {live_model} since its reference changed"
    return f"no report on {live_model} yet"


def subject_text(report: CurrentVerdict) -> Text:
    source = "all sources" if report.source is None else f"source {report.source}"
    return printable_text(f"{report.model}, {source}", LONGEST_SUBJECT)


def alerts_text(alerts: Sequence[Row[Any]]) -> Text:
    """Return how many alerts are open and how severe the worst is, then what they are about."""
    if not alerts:
        return Text("none is open")
    count = f"{len(alerts):,} open, the worst: {alerts[0].severity}; see `plumbline alerts`"
    lines = [Text(count)]
    lines += [
        printable_text(f"{alert.rule}: {alert.subject}", LONGEST_SUBJECT)
        for alert in alerts[:MAX_LINES]
    ]
    if len(alerts) > MAX_LINES:
        lines.append(Text(f"and {len(alerts) - MAX_LINES:,} more"))
    return Text("\n").join(lines)
