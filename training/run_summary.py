"""The result of a run as printed on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from training.evaluation.metrics import MEASURES
from training.group_tables import compact_table, errors_table, group_tables

if TYPE_CHECKING:
    from training.evaluation.gates import GateResult
    from training.evaluation.measurement import Measurement
    from training.run import RunResult


def print_summary(result: RunResult) -> None:
    """Print tables and sentences on standard output."""
    measured = result.measured
    compared = measured.compared.model if measured.compared else None
    console = Console(highlight=False)
    console.print(_metrics_table(result.model, measured))
    for table in group_tables(measured.groups, compared):
        console.print(table)
    if any(error.text is not None for error in measured.worst_errors):
        console.print(errors_table(measured.worst_errors, result.labels))
    console.print(_gates_table(measured.gates))
    for sentence in _sentences(measured):
        console.print(sentence, markup=False, soft_wrap=True)
    calibration = measured.calibration
    console.print(
        f"{measured.int8.rows} test texts; largest difference between int8 and float32 "
        f"{measured.parity.largest_difference:.4f}, {measured.parity.changed_decisions:.2%} of "
        f"decisions changed; temperature {calibration.temperature:.2f}"
        f"{f', bias {calibration.bias:+.2f}' if calibration.bias else ''}; "
        f"{result.resources.wall_s:.0f} s, peak memory {result.resources.peak_memory_mb:,.0f} MB; "
        f"saved in {result.folder}",
        soft_wrap=True,
    )


def _sentences(measured: Measurement) -> list[str]:
    """Return why gates failed, and whether the version is better than a linear model."""
    failed = [result.sentence for result in measured.gates if result.outcome == "failed"]
    return [*failed, *(baseline.sentence for baseline in measured.baselines[1:])]


def _metrics_table(model: str, measured: Measurement) -> Table:
    earlier = measured.compared
    title = f"{model} on the test split"
    table = compact_table(title)
    table.add_column(no_wrap=True)
    table.add_column("int8")
    table.add_column("95% interval", no_wrap=True)
    table.add_column("float32")
    if earlier:
        table.add_column(earlier.model, overflow="fold")
    baselines = measured.baselines
    for baseline in baselines:
        table.add_column(baseline.name, overflow="fold")
    for measure in MEASURES:
        interval = getattr(measured.int8_intervals, measure)
        row = [
            measure,
            f"{getattr(measured.int8, measure):.4f}",
            f"{interval.low:.3f} to {interval.high:.3f}",
            f"{getattr(measured.float32, measure):.4f}",
        ]
        others = [*([earlier.metrics] if earlier else []), *(b.metrics for b in baselines)]
        table.add_row(*row, *(f"{getattr(metrics, measure):.4f}" for metrics in others))
    sizes = measured.sizes
    table.add_row("MB", f"{sizes['int8'] / 1e6:.1f}", "", f"{sizes['saved_model'] / 1e6:.1f}")
    return table


def _gates_table(results: list[GateResult]) -> Table:
    failed = sum(not result.passed for result in results)
    title = (
        f"{failed} of {len(results)} gates failed: `plumbline models promote` refuses this version"
        if failed
        else "All gates passed"
    )
    table = compact_table(title)
    table.add_column("gate", overflow="fold")
    table.add_column("measured", justify="right")
    table.add_column("result", no_wrap=True)
    for result in results:
        value = "–" if result.value is None else f"{result.value:.4g}"
        outcome = "[red]failed[/]" if result.outcome == "failed" else result.outcome
        table.add_row(escape(result.name), value, outcome)
    return table
