"""The files, the sources and the worst errors of a run, as tables on a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from plumbline_client.visible import one_line
from training.evaluation.group_comparison import Group, GroupKind, GroupMetrics
from training.evaluation.worst_errors import WorstError

NO_VALUE = "–"
LONGEST_TEXT = 200
LONGEST_NAME = 20
MEASURES = ("accuracy", "f1", "recall", "negative_recall")


def compact_table(title: str) -> Table:
    """Return a table whose columns of numbers fit a terminal of 80 columns."""
    return Table(title=title, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)


def group_tables(groups: Sequence[Group], compared: str | None) -> Iterator[Table]:
    """Yield one table of the files and one of the sources, as far as there are any."""
    for kind in GroupKind:
        members = [group for group in groups if group.kind is kind]
        if members:
            yield _table(kind, members, compared)


def errors_table(errors: Sequence[WorstError], labels: tuple[str, str]) -> Table:
    """Show the texts of the worst errors."""
    table = compact_table("Worst errors, by confidence")
    for heading in ("label", "confidence", "place", "text"):
        table.add_column(heading, overflow="fold")
    for error in errors:
        table.add_row(
            Text(one_line(labels[error.label])),
            f"{error.confidence:.4f}",
            Text(one_line(f"{error.file}:{error.line}")),
            Text(one_line((error.text or error.text_hash)[:LONGEST_TEXT])),
        )
    return table


def _table(kind: GroupKind, groups: Sequence[Group], compared: str | None) -> Table:
    title = f"Test texts by {kind}"
    title += f": {compared}, below it this version" if compared else ""
    table = compact_table(title)
    table.add_column(kind.value, overflow="fold", min_width=8)
    for heading in MEASURES:
        table.add_column(heading.replace("_", "\n"), no_wrap=True)
    if compared:
        # Of accuracy, as in `plumbline models backtest`.
        table.add_column("points\n(95%)", no_wrap=True)
    table.add_column("TF-IDF", no_wrap=True)
    for group in groups:
        change = [_difference(group)] if compared else []
        table.add_row(
            _name(group, compared),
            *(_change(group.compared, group.served, measure) for measure in MEASURES),
            *(*change, _value(group.baseline, "accuracy")),
        )
    return table


def _difference(group: Group) -> str:
    if group.difference is None:
        return NO_VALUE
    difference = group.difference
    shares = (difference.accuracy, difference.interval.low, difference.interval.high)
    value, low, high = (100.0 * share for share in shares)
    return f"{value:+.1f}\n{low:+.1f} to {high:+.1f}"


def _name(group: Group, compared: str | None) -> Text:
    new = ", new" if group.new and compared else ""
    return Text(_shortened(group.title)).append(f"\n{group.rows:,} texts{new}", style="dim")


def _shortened(name: str) -> str:
    """Leave out the middle: files of one export differ in the end of their names."""
    if len(name) <= LONGEST_NAME:
        return name
    half = LONGEST_NAME // 2
    return f"{name[: half - 1]}…{name[-half:]}"


def _change(before: GroupMetrics | None, now: GroupMetrics, measure: str) -> str:
    value = _value(now, measure)
    return value if before is None else f"{_value(before, measure)}\n{value}"


def _value(metrics: GroupMetrics, measure: str) -> str:
    value: float | None = getattr(metrics, measure)
    return NO_VALUE if value is None else f"{value:.3f}"
