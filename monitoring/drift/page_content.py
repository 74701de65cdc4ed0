"""What a report's page shows, in Evidently's format: a title, plots by strength, and the tests.

The format is JSON, so that this module needs neither Evidently nor its imports.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from monitoring.drift.heading import Heading
from monitoring.drift.histogram_plot import histogram_plot
from monitoring.drift.verdict import FeatureDrift
from storage.states import JOINT_FEATURE, DriftVerdict

# Evidently's widths, and the most that two plots may take to stand side by side.
HALF, FULL = 1, 2
# What Evidently colors a message by.
SEVERITIES = {DriftVerdict.DRIFT: "error", DriftVerdict.STABLE: "success"}
DISPLAY_NAMES = {JOINT_FEATURE: "all columns together", "text": "the texts"}


def page_content(
    content: Mapping[str, Any],
    heading: Heading,
    features: Sequence[FeatureDrift],
    histograms: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """Return a snapshot's content with these widgets instead of one number per metric.

    `features` are in the order of the snapshot's metrics.
    """
    strongest = by_strength(features)
    plots = [
        plot_widget(feature, histograms[feature.feature])
        for feature in strongest
        if feature.feature in histograms
    ]
    return dict(content) | {
        "widgets": [heading_widget(heading, features), *plots],
        "tests_widgets": [
            _with_sorted_tests(widget, features) for widget in content["tests_widgets"]
        ],
    }


def by_strength(features: Sequence[FeatureDrift]) -> list[FeatureDrift]:
    """Return the features in order of score per threshold, the highest first."""
    return sorted(features, key=lambda feature: -feature.strength)


def heading_widget(heading: Heading, features: Sequence[FeatureDrift]) -> dict[str, Any]:
    separate = [feature for feature in features if feature.feature != JOINT_FEATURE]
    drifted = sum(feature.drifted for feature in separate)
    counters = [{"label": "features drifted", "value": f"{drifted} of {len(separate)}"}]
    counters += [
        {
            "label": f"{DISPLAY_NAMES[feature.feature]}, threshold {feature.threshold:.3g}",
            "value": f"{feature.score:.3g}",
        }
        for feature in features
        if feature.feature in DISPLAY_NAMES
    ]
    insights = [
        ("verdict", str(heading.verdict).replace("_", " "), heading.summary),
        ("info", "window", heading.window),
        ("info", "reference", heading.compared_with),
    ]
    severity = SEVERITIES.get(heading.verdict, "warning")
    return _widget("counter", heading.title, FULL, {"counters": counters}) | {
        "insights": [
            {"title": title, "severity": severity if kind == "verdict" else kind, "text": text}
            for kind, title, text in insights
        ]
    }


def plot_widget(feature: FeatureDrift, histogram: Mapping[str, Any]) -> dict[str, Any]:
    result = {
        "title": "test failed" if feature.drifted else "test passed",
        "severity": "error" if feature.drifted else "success",
        "text": f"{feature.score:.3g} standard errors from the reference, "
        f"threshold {feature.threshold:.3g}",
    }
    widget = _widget("big_graph", feature.feature, HALF, histogram_plot(histogram))
    return widget | {"insights": [result]}


def _widget(kind: str, title: str, size: int, params: Mapping[str, Any]) -> dict[str, Any]:
    # The id only has to differ from those of the other widgets of the page.
    identity = str(uuid5(NAMESPACE_URL, title))
    return {"type": kind, "title": title, "size": size, "id": identity, "params": params}


def _with_sorted_tests(
    widget: Mapping[str, Any], features: Sequence[FeatureDrift]
) -> dict[str, Any]:
    """Return the list of tests by strength; the widget with their numbers stays as it is."""
    if widget["type"] != "test_suite":
        return dict(widget)
    tests = zip(features, widget["params"]["tests"], strict=True)
    ordered = [test for _, test in sorted(tests, key=lambda pair: -pair[0].strength)]
    return dict(widget) | {"params": widget["params"] | {"tests": ordered}}
