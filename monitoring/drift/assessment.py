"""Assesses a window against its reference: a verdict, a summary, and a score per feature."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from monitoring.drift.heading import Heading
from monitoring.drift.histogram import label_histogram, number_histogram
from monitoring.drift.page_content import page_content
from monitoring.drift.reference import Reference
from monitoring.drift.summary import drift_summary, too_few_in_reference, too_few_in_window
from monitoring.drift.verdict import FeatureDrift, verdict
from monitoring.drift.window import shared_columns, window_columns
from storage.reports.drift import NewDriftValue, Observation
from storage.states import DriftVerdict, ReferenceKind

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AssessmentInput:
    """The predictions of a window, its reference, and its texts if texts are compared."""

    rows: Sequence[Observation]
    reference: Reference
    texts: Sequence[str] = field(default_factory=tuple)

    @property
    def with_texts(self) -> bool:
        return bool(self.texts or self.reference.texts)


@dataclass(frozen=True, slots=True)
class Assessment:
    """`content` returns what Evidently's page and UI show, under a heading."""

    verdict: DriftVerdict
    summary: str
    values: Sequence[NewDriftValue] = ()
    content: Callable[[Heading], dict[str, Any]] | None = None


def assess(data: AssessmentInput, alpha: float, min_rows: int) -> Assessment:
    """Compare every column that window and reference share, if both have `min_rows`.

    If nothing changed, the verdict is DRIFT for at most a share `alpha` of windows.
    """
    if len(data.rows) < min_rows:
        return Assessment(DriftVerdict.TOO_LITTLE_DATA, too_few_in_window(len(data.rows), min_rows))
    if data.reference.rows < min_rows:
        return Assessment(
            DriftVerdict.TOO_LITTLE_DATA, too_few_in_reference(data.reference.rows, min_rows)
        )
    # Imports Evidently, which a report on too little data does not need.
    from monitoring.drift.comparison import Comparison
    from monitoring.drift.drift_score import Samples
    from monitoring.drift.threshold import permuted_scores, thresholds

    share = alpha / 2 if data.with_texts else alpha
    reference, window = shared_columns(data.reference.columns, window_columns(data.rows))
    limits = thresholds(permuted_scores(Samples(reference, window)), share)
    comparison = Comparison(reference, window, limits, text_features(data, share))
    features = comparison.features()
    histograms = {
        name: histogram(reference[name], window[name], data.reference.edges.get(name))
        for name in reference
    }
    return Assessment(
        verdict(features),
        compared_summary(drift_summary(features, reference, window, histograms), data.reference),
        [drift_value(feature, histograms.get(feature.feature, {})) for feature in features],
        lambda heading: page_content(comparison.content(), heading, features, histograms),
    )


def compared_summary(summary: str, reference: Reference) -> str:
    """Add whose decision the reference is, so that nobody takes it for the profile."""
    if reference.kind is not ReferenceKind.ACCEPTED:
        return summary
    return f"{summary}; compared with {reference.description}"


def profile_verdict(
    rows: Sequence[Observation], profile: Reference, alpha: float, min_rows: int
) -> DriftVerdict | None:
    """Return the verdict on the columns against the profile, whatever a report compares with.

    None if either has too few rows.
    """
    from monitoring.drift.drift_score import Samples
    from monitoring.drift.threshold import permuted_scores, thresholds

    if min(len(rows), profile.rows) < min_rows:
        return None
    samples = Samples(*shared_columns(profile.columns, window_columns(rows)))
    limits, scores = thresholds(permuted_scores(samples), alpha), samples.scores()
    drifted = scores.joint > limits.joint or max(scores.columns.values()) > limits.column
    return DriftVerdict.DRIFT if drifted else DriftVerdict.STABLE


def text_features(data: AssessmentInput, alpha: float) -> list[FeatureDrift]:
    """Compare the texts themselves if that was requested and texts are still stored."""
    if not data.with_texts:
        return []
    from monitoring.drift.text_content import text_drift

    drift = text_drift(data.reference.texts, data.texts, alpha)
    if isinstance(drift, str):
        log.warning("the texts are not compared: %s", drift)
        return []
    return [drift]


def drift_value(feature: FeatureDrift, histogram: dict[str, Any]) -> NewDriftValue:
    return NewDriftValue(
        feature=feature.feature,
        method=str(feature.method),
        value=feature.score,
        threshold=feature.threshold,
        drifted=feature.drifted,
        histogram=histogram,
    )


def histogram(
    reference: Sequence[Any], window: Sequence[Any], edges: Sequence[float] | None
) -> dict[str, Any]:
    if isinstance(reference[0], str):
        return label_histogram(reference, window)
    return number_histogram(reference, window, edges)
