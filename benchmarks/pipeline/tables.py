"""The table of a part: a row per case, or per figure where a part has no cases."""

from __future__ import annotations

from statistics import median
from typing import Any

from rich.table import Table

# The rates of single rounds, which the JSON has.
LONGEST_FIGURE = 60


def part_table(part: str, figures: dict[str, Any], seconds: float) -> Table:
    title = f"{part} ({seconds:.0f} s)"
    cases = {name: case for name, case in figures.items() if _is_case(case)}
    return _cases_table(title, cases) if cases else _figures_table(title, figures)


def _cases_table(title: str, cases: dict[str, dict[str, Any]]) -> Table:
    """Compare each case with the first one, round by round."""
    table = Table("", title=title)
    for column in ("texts/s", "of the first", "CPU ms per text"):
        table.add_column(column, justify="right")
    table.add_column("by process")
    first = next(iter(cases.values()))["texts_per_s"]
    for name, case in cases.items():
        costs = case["cpu_ms_per_text"]
        ratios = [rate / other for rate, other in zip(case["texts_per_s"], first, strict=True)]
        table.add_row(
            name,
            f"{case['median_texts_per_s']:,.0f}",
            f"{median(ratios):.2f}",
            f"{sum(costs.values()):.3f}" if costs else "",
            ", ".join(f"{process} {ms:.3f}" for process, ms in costs.items()),
        )
    return table


def _figures_table(title: str, figures: dict[str, Any]) -> Table:
    table = Table("", "", title=title, show_header=False)
    for name, figure in figures.items():
        shown = str(figure)
        if len(shown) <= LONGEST_FIGURE:
            table.add_row(name.replace("_", " "), shown)
    return table


def _is_case(figure: object) -> bool:
    return isinstance(figure, dict) and "texts_per_s" in figure
