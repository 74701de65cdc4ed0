"""The result of a run as printed on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from training.evaluation.metrics import MEASURES

if TYPE_CHECKING:
    from training.evaluation.gates import GateResult
    from training.evaluation.measurement import Measurement
    from training.run import RunResult


def print_summary(result: RunResult) -> None:
    """Print two tables and a sentence on standard output."""
    measured = result.measured
    console = Console(highlight=False)
    console.print(_metrics_table(result.model, measured))
    console.print(_gates_table(measured.gates))
    console.print(
        f"{measured.int8.rows} test texts; largest difference between int8 and float32 "
        f"{measured.parity.largest_difference:.4f}, {measured.parity.changed_decisions:.2%} of "
        f"decisions changed; temperature {measured.calibration.temperature:.2f}; "
        f"{result.resources.wall_s:.0f} s, peak memory {result.resources.peak_memory_mb:,.0f} MB; "
        f"saved in {result.folder}",
        soft_wrap=True,
    )


def _metrics_table(model: str, measured: Measurement) -> Table:
    earlier = measured.compared
    title = f"{model} on the test split"
    table = Table("", "int8, as served", "95% interval", "float32", title=title)
    if earlier:
        table.add_column(earlier.model)
    for measure in MEASURES:
        interval = getattr(measured.int8_intervals, measure)
        row = [
            measure,
            f"{getattr(measured.int8, measure):.4f}",
            f"{interval.low:.3f} to {interval.high:.3f}",
            f"{getattr(measured.float32, measure):.4f}",
        ]
        table.add_row(*row, *([f"{getattr(earlier.metrics, measure):.4f}"] if earlier else []))
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
    table = Table("gate", "measured", "result", title=title)
    for result in results:
        value = "–" if result.value is None else f"{result.value:.4g}"
        outcome = "[red]failed[/]" if result.outcome == "failed" else result.outcome
        table.add_row(result.name, value, outcome)
    return table
