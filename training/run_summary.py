"""What a run came to, for a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from training.run import Made

MEASURES = ("accuracy", "precision", "recall", "f1", "auc")


def show(made: Made) -> None:
    """Two tables and a sentence on standard output."""
    console = Console(highlight=False)
    console.print(_figures(made))
    console.print(_gates(made))
    measured = made.measured
    console.print(
        f"{measured.int8.rows} test texts; largest difference between int8 and float32 "
        f"{measured.parity.largest_difference:.4f}, {measured.parity.changed_decisions:.2%} of "
        f"decisions changed; temperature {measured.calibration.temperature:.2f}; "
        f"{made.resources.wall_s:.0f} s, {made.resources.peak_memory_mb:,.0f} MB at most; "
        f"saved in {made.folder}",
        soft_wrap=True,
    )


def _figures(made: Made) -> Table:
    measured = made.measured
    earlier = measured.compared
    title = f"{made.model} on the test split"
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


def _gates(made: Made) -> Table:
    results = made.measured.gates
    failed = [result for result in results if not result.passed]
    title = "every gate passed" if not failed else f"{len(failed)} gates failed: not for promotion"
    table = Table("gate", "measured", "", title=title)
    for result in results:
        value = "–" if result.value is None else f"{result.value:.4g}"
        word = "skipped" if result.skipped else "passed" if result.passed else "[red]failed[/]"
        table.add_row(result.name, value, word)
    return table
