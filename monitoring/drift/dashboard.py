"""The dashboard of a project in Evidently's UI: five panels for all sources and for each source.

In Evidently's format, which is JSON. Panels have fixed ids, so that they are added once: what a
user changes or deletes stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

from plumbline_client.visible import one_line
from scoring.input.familiarity import FAMILIARITY_FEATURES
from scoring.input.features import PLAIN_FEATURES

PANEL_NAMESPACE = UUID("0f3c7f0a-7b0e-5b53-9c43-0d2f6f0f7a11")
METRIC = "evidently:metric_v2:"
# A round of reports has as many sources at most; see `monitoring.drift.report`.
MAX_SOURCES = 20
PREDICTIONS = ("probability", "confidence", "decision")
# The names of recorded values: they are stored in every run, so they never change.
JOINT_THRESHOLD = "joint threshold"
COLUMN_THRESHOLD = "column threshold"
ESTIMATED, COMBINED, REALIZED = "estimated accuracy", "combined accuracy", "realized accuracy"
ESTIMATE_ALERT, REALIZED_ALERT = "estimate alert", "realized alert"
QUALITY_LEGENDS = {
    ESTIMATE_ALERT: "alert threshold",
    REALIZED_ALERT: "alert threshold, realized",
    ESTIMATED: "estimated (only if not under drift)",
    COMBINED: "labels and predictions together",
    REALIZED: "realized (labels)",
}
STANDARD_ERRORS = "Standard errors from the reference. Above the threshold is drift."
ACCURACY = (
    "What was known when each report was made. There is no estimate for texts that drifted or "
    "were not checked for drift."
)


@dataclass(frozen=True, slots=True)
class Dashboard:
    """Evidently's document, and the sources with panels, the least recently reported first.

    A source of None is all sources.
    """

    document: dict[str, Any]
    sources: list[str | None]


def with_source(dashboard: Dashboard | None, source: str | None) -> Dashboard:
    """Return the dashboard with panels for all sources and for this one.

    It keeps the MAX_SOURCES sources that were reported last; nothing else is removed or changed.
    """
    document = dashboard.document if dashboard else {"tabs": [], "panels": []}
    known = dashboard.sources if dashboard else []
    for added in dict.fromkeys((None, source)):
        if added not in known:
            document = _with_panels(document, added)
            known = [*known, added]
    if source is not None:
        known = [name for name in known if name != source] + [source]
    named = [name for name in known if name is not None]
    for forgotten in named[:-MAX_SOURCES]:
        document = _without_panels(document, forgotten)
        known = [name for name in known if name != forgotten]
    return Dashboard(document, known)


def panels(source: str | None) -> list[dict[str, Any]]:
    """Return a source's panels: all columns together, quality, inputs, and predictions."""
    name = "All sources" if source is None else one_line(source)
    joint = [
        _recorded(source, "threshold", JOINT_THRESHOLD),
        _line(source, "all columns together", "JointDistance", {}),
    ]
    quality = [_recorded(source, legend, name) for name, legend in QUALITY_LEGENDS.items()]
    # Two panels for the inputs, because the legend has no room for all of them.
    kinds = {
        "predictions": ("predictions", _columns(source, PREDICTIONS)),
        "form": ("inputs, form of the texts", _columns(source, PLAIN_FEATURES)),
        "familiarity": ("inputs, familiarity", _columns(source, FAMILIARITY_FEATURES)),
    }
    return [
        _panel(source, "joint", f"{name}: all columns together", STANDARD_ERRORS, joint),
        *(
            _panel(source, kind, f"{name}: {title}", STANDARD_ERRORS, lines)
            for kind, (title, lines) in kinds.items()
        ),
        # As wide as two, so that each source begins on the left.
        _panel(source, "quality", f"{name}: quality (accuracy)", ACCURACY, quality)
        | {"size": "full"},
    ]


def run_metadata(source: str | None) -> dict[str, str]:
    """Return what distinguishes the runs of a source: a source may be named like a tag."""
    return {"scope": "source" if source else "all", "source": source or ""}


def _columns(source: str | None, names: Sequence[str]) -> list[dict[str, Any]]:
    lines = [_line(source, name, "Distance", {"column": name}) for name in names]
    return [_recorded(source, "threshold", COLUMN_THRESHOLD), *lines]


def _recorded(source: str | None, legend: str, name: str) -> dict[str, Any]:
    return _line(source, legend, "RecordedValue", {"name": name})


def _line(
    source: str | None, legend: str, metric: str, labels: Mapping[str, str]
) -> dict[str, Any]:
    return {
        "legend": legend,
        "tags": [],
        "metadata": run_metadata(source),
        "metric": METRIC + metric,
        "metric_labels": dict(labels),
        "view_params": {},
    }


def _panel(
    source: str | None, kind: str, title: str, subtitle: str, lines: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    return {
        "id": _identity(source, kind),
        "title": title,
        "subtitle": subtitle,
        "size": "half",
        "values": list(lines),
        "plot_params": {"plot_type": "line"},
    }


def _identity(source: str | None, kind: str) -> str:
    # A kind has no slash, so no two sources share an id.
    return str(uuid5(PANEL_NAMESPACE, kind if source is None else f"{kind}/{source}"))


def _with_panels(document: Mapping[str, Any], source: str | None) -> dict[str, Any]:
    added = panels(source)
    tab = {
        "id": _identity(source, "tab"),
        "title": "All sources" if source is None else one_line(source),
        "panels": [panel["id"] for panel in added],
    }
    return dict(document) | {
        "tabs": [*document["tabs"], tab],
        "panels": [*document["panels"], *added],
    }


def _without_panels(document: Mapping[str, Any], source: str) -> dict[str, Any]:
    removed = {_identity(source, "tab"), *(panel["id"] for panel in panels(source))}
    return dict(document) | {
        key: [part for part in document[key] if part["id"] not in removed]
        for key in ("tabs", "panels")
    }
