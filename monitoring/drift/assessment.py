"""Assesses a window against its reference: a verdict, a summary, and a score per feature."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from monitoring.drift.histogram import label_histogram, number_histogram
from monitoring.drift.reference import Reference
from monitoring.drift.summary import drift_summary, too_few_in_reference, too_few_in_window
from monitoring.drift.verdict import FeatureDrift, verdict
from monitoring.drift.window import shared_columns, window_columns
from storage.reports.drift import NewDriftValue, Observation
from storage.states import DriftVerdict

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
    """`page` returns Evidently's HTML, and `snapshot` is the run for its workspace."""

    verdict: DriftVerdict
    summary: str
    values: Sequence[NewDriftValue] = ()
    page: Callable[[], str] | None = None
    snapshot: Any = None


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
    comparison = Comparison(reference, window, limits)
    features = [*comparison.features(), *text_features(data, share)]
    histograms = {
        name: histogram(reference[name], window[name], data.reference.edges.get(name))
        for name in reference
    }
    return Assessment(
        verdict(features),
        drift_summary(features, reference, window, histograms),
        [drift_value(feature, histograms.get(feature.feature, {})) for feature in features],
        comparison.html,
        comparison.snapshot,
    )


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
