"""A drift report as people and programs read it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from plumbline.cli.output.console import (
    colored,
    columns,
    err,
    facts,
    out,
    percent,
    print_json,
    shown,
    when,
)
from plumbline.errors import ReportMissing

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from storage.tables import DriftReport, DriftValue

WIDEST_PLOT = 100
MOST_DRAWN = 6
JOINT = "joint"
NAMES = {JOINT: "all together", "text": "the texts"}
TEXT_METHODS = "text_content_drift"


@dataclass(frozen=True, slots=True)
class Report:
    """One report with its values, the drifted and strongest first."""

    head: DriftReport
    values: list[DriftValue]


def read(connection: Connection, report_id: int | None) -> Report:
    """The report, or the newest one; raises ReportMissing."""
    from storage.reports import drift

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


def tell(report: Report, feature: str | None, png: Path | None, as_json: bool) -> None:
    """Print the report and draw `feature`, else the furthest; with `png` write the picture too."""
    drawn = to_draw(report, feature)
    if png is not None:
        draw(report, drawn, png)
    if as_json:
        values = [values_of(value) for value in report.values]
        print_json(values_of(report.head) | {"values": values})
        return
    out.print(head_table(report.head))
    if report.values:
        out.print(values_table(report.values))
        out.print(explained(report), style="dim")
    if drawn:
        from plumbline.cli.output.plot import histograms

        out.print(histograms(drawn[0], min(out.width, WIDEST_PLOT)))


def to_draw(report: Report, feature: str | None) -> list[DriftValue]:
    """The feature asked for, else those that drifted, else the nearest. Raises ReportMissing."""
    drawable = [value for value in report.values if value.histogram]
    if feature is None:
        drifted = [value for value in drawable if value.drifted]
        return drifted[:MOST_DRAWN] or drawable[:1]
    for value in drawable:
        if value.feature == feature:
            return [value]
    if any(value.feature == feature for value in report.values):
        raise ReportMissing(f"{feature} is no column of its own, and has no histogram to draw.")
    there = ", ".join(sorted(value.feature for value in drawable)) or "none"
    raise ReportMissing(f"Report {report.head.id} has no feature {feature!r}; it has: {there}.")


def draw(report: Report, drawn: list[DriftValue], path: Path) -> None:
    if not drawn:
        raise ReportMissing(f"Report {report.head.id} has nothing to draw: {report.head.summary}.")
    from plumbline.cli.output.png import save

    save(report.head, drawn, path)
    err.print(f"Wrote {path}.", markup=False)


def head_table(report: DriftReport) -> Table:
    table = facts(f"drift report {report.id}")
    table.add_row("verdict", colored(report.verdict))
    table.add_row("", shown(report.summary, 1_000))
    table.add_row("model", report.model)
    if report.source is not None:
        table.add_row("source", shown(report.source))
    table.add_row("texts", f"{report.window_rows:,}, against {against(report)}")
    if report.window_from is not None:
        table.add_row("scored", f"{when(report.window_from)} to {when(report.window_to)}")
    if report.reference_from is not None:
        table.add_row("against", f"{when(report.reference_from)} to {when(report.reference_to)}")
    table.add_row("made", f"{when(report.created_at)} in {report.took_ms / 1000:.1f} s")
    if report.html_path is not None:
        table.add_row("page", page_of(report.html_path))
    return table


def against(report: DriftReport) -> str:
    kind = "of training" if report.reference == "profile" else "of an earlier window"
    return f"{report.reference_rows:,} {kind}"


def page_of(html_path: str) -> Text:
    path = Path(html_path)
    gone = path.parent.is_dir() and not path.is_file()
    return Text("removed, for newer ones" if gone else html_path)


def values_table(values: list[DriftValue]) -> Table:
    table = columns("feature", "", "value", "drifts above", "method")
    for value in values:
        table.add_row(
            NAMES.get(value.feature, value.feature),
            Text("drifted", style="red") if value.drifted else "",
            f"{value.value:.2f}",
            f"{value.threshold:.2f}",
            value.method,
        )
    return table


def explained(report: Report) -> str:
    """What the values mean, in words."""
    told = (
        "A value says how far the window lies from the reference, in standard errors: about 1 is "
        "what chance does to a column. Its threshold is what chance exceeds so rarely that of "
        f"reports like this, with nothing changed, {percent(report.head.alpha)} say drift."
    )
    if any(value.method.endswith(TEXT_METHODS) for value in report.values):
        told += (
            " The texts' value is the ROC AUC of a classifier that is to tell them apart: 0.5 says "
            "that it cannot."
        )
    return told


def values_of(row: DriftReport | DriftValue) -> dict[str, Any]:
    return {column.key: getattr(row, column.key) for column in row.__table__.columns}
