"""A report in one sentence, for whoever reads only that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from monitoring.verdict import Finding
from monitoring.window import Columns


def too_little_data(found: int, needed: int) -> str:
    predictions = "prediction" if found == 1 else "predictions"
    return f"{found} {predictions} in the window, and {needed} are needed to judge"


def summary(
    findings: Sequence[Finding],
    reference: Columns,
    window: Columns,
    histograms: Mapping[str, Mapping[str, Any]],
) -> str:
    """Say how many columns drifted, and what happened to the one least likely to be chance."""
    drifted = sum(finding.drifted for finding in findings)
    most = min(findings, key=lambda finding: (finding.p_value, finding.feature))
    name = most.feature
    if "labels" in histograms[name]:
        change = label_change(histograms[name])
    else:
        change = mean_change(reference[name], window[name])
    columns = "column" if len(findings) == 1 else "columns"
    told = f"{name} ({p_value(most.p_value)}, {change})"
    if not drifted:
        return f"none of {len(findings)} {columns} drifted; the nearest was {told}"
    return f"{drifted} of {len(findings)} {columns} drifted, most of all {told}"


def mean_change(reference: Sequence[Any], window: Sequence[Any]) -> str:
    return f"mean {number(fmean(window))}, was {number(fmean(reference))}"


def label_change(histogram: Mapping[str, Any]) -> str:
    """The label whose share moved furthest."""
    rows = zip(histogram["labels"], histogram["reference"], histogram["window"], strict=True)
    label, was, now = max(rows, key=lambda row: abs(row[2] - row[1]))
    return f"{now:.1%} {label}, was {was:.1%}"


def p_value(value: float) -> str:
    # A float has no smaller numbers than about 1e-308, and "p = 0" would claim too much.
    return f"p = {value:.1g}" if value >= 1e-300 else "p < 1e-300"


def number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2g}"
