"""The summary of a drift report: one sentence without its full stop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from monitoring.drift.verdict import FeatureDrift
from monitoring.drift.window import Columns
from storage.states import JOINT_FEATURE


def too_few_in_window(rows: int, needed: int) -> str:
    return f"{_format_predictions(rows)} in the window, but at least {needed} are needed"


def too_few_in_reference(rows: int, needed: int) -> str:
    return (
        f"{_format_predictions(rows)} before the window, but at least {needed} are needed as the "
        "reference"
    )


def drift_summary(
    features: Sequence[FeatureDrift],
    reference: Columns,
    window: Columns,
    histograms: Mapping[str, Mapping[str, Any]],
) -> str:
    """State how many features drifted, and how the one that drifted most changed."""
    separate = [feature for feature in features if feature.feature != JOINT_FEATURE]
    drifted = sum(feature.drifted for feature in separate)
    strongest = max(separate, key=lambda feature: (feature.strength, feature.feature))
    details = f"{strongest.feature} ({_change(strongest, reference, window, histograms)})"
    count = f"{len(separate)} feature{'s' if len(separate) > 1 else ''}"
    if drifted:
        return f"{drifted} of {count} drifted, most of all {details}"
    if any(feature.drifted for feature in features):
        return f"no single feature drifted, but {count} together did, most of all {details}"
    return f"none of {count} drifted; the closest was {details}"


def mean_change(reference: Sequence[Any], window: Sequence[Any]) -> str:
    return f"mean {format_number(fmean(window))}, was {format_number(fmean(reference))}"


def label_change(histogram: Mapping[str, Any]) -> str:
    """Return the label whose share changed most."""
    rows = zip(histogram["labels"], histogram["reference"], histogram["window"], strict=True)
    label, before, now = max(rows, key=lambda row: abs(row[2] - row[1]))
    return f"{now:.1%} {label}, was {before:.1%}"


def format_number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2g}"


def _change(
    feature: FeatureDrift,
    reference: Columns,
    window: Columns,
    histograms: Mapping[str, Mapping[str, Any]],
) -> str:
    name = feature.feature
    score = f"score {format_number(feature.score)}, threshold {format_number(feature.threshold)}"
    if name not in histograms:
        return score
    if "labels" in histograms[name]:
        return f"{score}; {label_change(histograms[name])}"
    return f"{score}; {mean_change(reference[name], window[name])}"


def _format_predictions(count: int) -> str:
    return f"{count} prediction{'' if count == 1 else 's'}"
