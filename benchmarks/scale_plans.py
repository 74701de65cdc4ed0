"""The plan of the slowest statement of each query as a page: the nodes that take its time."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Protocol

NODE = re.compile(
    r"^(?P<node> *(?:->  )?[^(]+?(?: \([^ca][^)]*\))?)  \(cost=[^)]*\) "
    r"\(actual time=\S+\.\.(?P<time>[\d.]+) rows=(?P<rows>[\d.]+) loops=(?P<loops>\d+)\)"
)
EXECUTION = re.compile(r"Execution Time: ([\d.]+) ms")
# A node that takes a smaller share of the time of its statement is left out.
SHARE = 0.1
MOST_NODES = 9
WIDEST = 96


class Planned(Protocol):
    """A query that was measured; see `benchmarks.scale.Timing`."""

    area: str
    name: str
    median_ms: float
    p95_ms: float
    plans: list[str]


def page(timings: Iterable[Planned], title: str, heading: str) -> str:
    lines = [f"# {title}", "", heading, ""]
    area = ""
    for timing in timings:
        if timing.area != area:
            area = timing.area
            lines += [f"## {area[0].upper()}{area[1:]}", ""]
        lines += [f"**{timing.name}**: {timing.median_ms:,.1f} ms, {timing.p95_ms:,.1f} at p95", ""]
        if timing.plans:
            lines += ["```", *slowest_nodes(timing.plans), "```", ""]
    return "\n".join(lines)


def slowest_nodes(plans: Sequence[str]) -> list[str]:
    slowest = max(plans, key=execution_ms)
    limit_ms = SHARE * execution_ms(slowest)
    nodes = []
    for line in slowest.splitlines():
        if (match := NODE.match(line)) is None:
            continue
        if not nodes or float(match["time"]) * int(match["loops"]) >= limit_ms:
            node = match["node"].replace("->  ", "")[:WIDEST]
            rows, loops = float(match["rows"]), int(match["loops"])
            times = f" × {loops:,}" if loops > 1 else ""
            nodes.append(f"{node}  {float(match['time']):.3g} ms, {rows:,.0f} rows{times}")
    more = ["..."] if len(nodes) > MOST_NODES else []
    return _with_small_indents(nodes[:MOST_NODES]) + more


def execution_ms(plan: str) -> float:
    match = EXECUTION.search(plan)
    return float(match[1]) if match else 0.0


def _with_small_indents(lines: Sequence[str]) -> list[str]:
    """Indent each line by its rank among the depths, because nodes between them are left out."""
    depths = sorted({len(line) - len(line.lstrip()) for line in lines})
    return ["  " * depths.index(len(line) - len(line.lstrip())) + line.lstrip() for line in lines]
