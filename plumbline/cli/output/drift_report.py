"""Print a drift report for people or programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text
from sqlalchemy import Connection, Row

from plumbline.cli.output.console import (
    colored_text,
    column_table,
    err,
    format_percent,
    format_time,
    out,
    printable_text,
    property_table,
)
from plumbline.cli.output.json_output import print_json
from plumbline.cli.output.png import save_png
from plumbline.cli.output.reference_name import reference_name
from plumbline.cli.output.rows import row_values
from plumbline.errors import ReportMissing
from plumbline_client.visible import one_line
from storage.reports.accepted_references import find_accepted
from storage.reports.drift import find_report, find_reports, report_id_of_task
from storage.states import JOINT_FEATURE, ReferenceKind

MAX_PLOT_WIDTH = 100
MAX_DRAWN = 6
MAX_BIGINT = 2**63 - 1
DISPLAY_NAMES = {JOINT_FEATURE: "all together", "text": "the texts"}
TEXT_METHODS = "text_content_drift"


@dataclass(frozen=True, slots=True)
class ReportWithValues:
    """A report, its values, the drifted and highest first, and its accepted reference."""

    report: Row[Any]
    values: Sequence[Row[Any]]
    accepted: Row[Any] | None = None


def read_report(connection: Connection, report_id: int | None) -> ReportWithValues:
    """Return the report with this id, by default the newest. Raises ReportMissing."""
    if report_id is None:
        newest = find_reports(connection, limit=1)
        if not newest:
            raise ReportMissing("There is no drift report yet; `plumbline drift run` makes one.")
        report_id = newest[0].id
    # PostgreSQL refuses a larger number as an id instead of finding no row.
    row = find_report(connection, report_id) if 0 < report_id <= MAX_BIGINT else None
    if row is None:
        raise ReportMissing(f"There is no drift report {report_id}; see `plumbline drift list`.")
    report, values = row
    accepted = report.accepted_id and find_accepted(connection, report.accepted_id)
    return ReportWithValues(report, values, accepted or None)


def read_report_of_task(connection: Connection, task_id: str) -> ReportWithValues | None:
    """Return the report that this task made; None while there is none."""
    report_id = report_id_of_task(connection, task_id)
    return None if report_id is None else read_report(connection, report_id)


def print_report(
    report: ReportWithValues,
    feature: str | None,
    png: Path | None,
    as_json: bool,
    more: Mapping[str, Any] | None = None,
    above: Table | None = None,
) -> None:
    """Print the report and draw `feature`, by default the highest; with `png`, write a picture.

    `more` are further keys of the JSON document. `above` is printed first, for people. Raises
    ReportMissing, before anything is printed, if there is nothing to draw.
    """
    drawn = values_to_draw(report, feature)
    if png is not None:
        write_picture(report, drawn, png)
    if as_json:
        values = [row_values(value) for value in report.values]
        accepted = accepted_values(report.accepted) if report.accepted is not None else None
        document = row_values(report.report) | {"values": values, "accepted": accepted}
        print_json(document | dict(more or {}))
        return
    if above is not None:
        out.print(above)
    out.print(summary_table(report.report, report.accepted))
    if report.values:
        out.print(values_table(report.values))
        out.print(explanation(report), style="dim")
    if drawn:
        # Importing plotext takes 0.3 s, which `drift list` need not wait for.
        from plumbline.cli.output.plot import histograms

        out.print(histograms(drawn[0], min(out.width, MAX_PLOT_WIDTH)))


def values_to_draw(report: ReportWithValues, feature: str | None) -> Sequence[Row[Any]]:
    """Return the requested feature, by default those that drifted, else the highest.

    Raises ReportMissing.
    """
    drawable = [value for value in report.values if value.histogram]
    if feature is None:
        drifted = [value for value in drawable if value.drifted]
        return drifted[:MAX_DRAWN] or drawable[:1]
    for value in drawable:
        if value.feature == feature:
            return [value]
    if any(value.feature == feature for value in report.values):
        raise ReportMissing(f"{feature} is not a single column and has no histogram to draw.")
    names = ", ".join(sorted(value.feature for value in drawable)) or "none"
    raise ReportMissing(
        f"Report {report.report.id} has no feature {feature!r}; its features are: {names}."
    )


def write_picture(report: ReportWithValues, drawn: Sequence[Row[Any]], path: Path) -> None:
    if not drawn:
        raise ReportMissing(
            f"Report {report.report.id} has nothing to draw: {report.report.summary}."
        )
    save_png(report.report, drawn, path)
    err.print(f"Wrote {path}.", markup=False)


def summary_table(report: Row[Any], accepted: Row[Any] | None = None) -> Table:
    table = property_table(f"drift report {report.id}")
    table.add_row("verdict", colored_text(report.verdict))
    table.add_row("", printable_text(report.summary, 1_000))
    table.add_row("model", report.model)
    if report.source is not None:
        table.add_row("source", printable_text(report.source))
    table.add_row("texts", f"{report.window_rows:,}, compared with {format_reference(report)}")
    if report.window_from is not None:
        scored = f"{format_time(report.window_from)} to {format_time(report.window_to)}"
        table.add_row("scored", scored)
    if report.reference_from is not None:
        reference = f"{format_time(report.reference_from)} to {format_time(report.reference_to)}"
        table.add_row("reference", reference)
    if accepted is not None:
        table.add_row("accepted", accepted_text(accepted))
    if report.reference != ReferenceKind.PROFILE and report.profile_verdict is not None:
        verdict = Text.assemble(colored_text(report.profile_verdict), " against validation texts")
        table.add_row("profile", verdict)
    created = f"{format_time(report.created_at)} in {report.took_ms / 1000:.1f} s"
    table.add_row("created", created)
    if report.html_path is not None:
        table.add_row("page", format_page(report.html_path))
    return table


def format_reference(report: Row[Any]) -> str:
    return f"{report.reference_rows:,} {reference_name(report)}"


def accepted_text(accepted: Row[Any]) -> Text:
    """Return who accepted the reference and why, and how to reverse it."""
    by = printable_text(f"by {accepted.accepted_by}, {format_time(accepted.accepted_at)}")
    revoked = accepted.revoked_at is not None
    state = "revoked" if revoked else f"`plumbline drift revoke {accepted.id}` reverses it"
    return Text("\n").join([printable_text(accepted.reason, 300), by, Text(state)])


def accepted_values(accepted: Row[Any]) -> dict[str, Any]:
    """Return the row without its columns, which are thousands of numbers."""
    return {name: value for name, value in row_values(accepted).items() if name != "columns"}


def format_page(html_path: str) -> Text:
    path = Path(html_path)
    removed = path.parent.is_dir() and not path.is_file()
    return Text("removed; only the newest pages are kept" if removed else one_line(html_path))


def values_table(values: Sequence[Row[Any]]) -> Table:
    table = column_table("feature", "", "value", "threshold", "method")
    for value in values:
        table.add_row(
            DISPLAY_NAMES.get(value.feature, value.feature),
            Text("drifted", style="red") if value.drifted else "",
            f"{value.value:.2f}",
            f"{value.threshold:.2f}",
            value.method,
        )
    return table


def explanation(report: ReportWithValues) -> str:
    """Explain in words what the values mean."""
    sentences = (
        "A value is the distance between the window and the reference in standard errors; chance "
        "alone moves a column by about 1. Thresholds are set so that, if nothing changed, "
        f"{format_percent(report.report.alpha)} of reports like this one are false alarms."
    )
    if any(value.method.endswith(TEXT_METHODS) for value in report.values):
        sentences += (
            " The value of the texts is the ROC AUC of a classifier that is trained to distinguish "
            "them; 0.5 means that it cannot."
        )
    return sentences
