"""A report in one sentence, for whoever reads only that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from monitoring.drift.verdict import JOINT, Finding
from monitoring.drift.window import Columns


def too_little_data(found: int, needed: int) -> str:
    return f"{_predictions(found)} in the window, and {needed} are needed to judge"


def too_few_to_compare_with(found: int, needed: int) -> str:
    return f"{_predictions(found)} before the window, and {needed} are needed to compare with"


def summary(
    findings: Sequence[Finding],
    reference: Columns,
    window: Columns,
    histograms: Mapping[str, Mapping[str, Any]],
) -> str:
    """Say how many columns drifted, and what happened to the one that moved furthest."""
    columns = [finding for finding in findings if finding.feature != JOINT]
    drifted = sum(finding.drifted for finding in columns)
    most = max(columns, key=lambda finding: (finding.strength, finding.feature))
    told = f"{most.feature} ({_change(most, reference, window, histograms)})"
    count = f"{len(columns)} column{'s' if len(columns) > 1 else ''}"
    if drifted:
        return f"{drifted} of {count} drifted, most of all {told}"
    if any(finding.drifted for finding in findings):
        return f"no column by itself, but {count} together drifted, most of all {told}"
    return f"none of {count} drifted; the nearest was {told}"


def mean_change(reference: Sequence[Any], window: Sequence[Any]) -> str:
    return f"mean {number(fmean(window))}, was {number(fmean(reference))}"


def label_change(histogram: Mapping[str, Any]) -> str:
    """The label whose share moved furthest."""
    rows = zip(histogram["labels"], histogram["reference"], histogram["window"], strict=True)
    label, was, now = max(rows, key=lambda row: abs(row[2] - row[1]))
    return f"{now:.1%} {label}, was {was:.1%}"


def number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2g}"


def _change(
    finding: Finding,
    reference: Columns,
    window: Columns,
    histograms: Mapping[str, Mapping[str, Any]],
) -> str:
    name = finding.feature
    distance = f"{number(finding.value)}, drift above {number(finding.threshold)}"
    if name not in histograms:
        return distance
    if "labels" in histograms[name]:
        return f"{distance}; {label_change(histograms[name])}"
    return f"{distance}; {mean_change(reference[name], window[name])}"


def _predictions(found: int) -> str:
    return f"{found} prediction{'' if found == 1 else 's'}"
