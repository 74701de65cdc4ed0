"""What a window and its reference come to: a verdict, its sentence, and a value for each column."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from monitoring.drift.histogram import label_histogram, number_histogram
from monitoring.drift.reference import Reference
from monitoring.drift.summary import summary, too_few_to_compare_with, too_little_data
from monitoring.drift.verdict import Finding, Verdict, verdict
from monitoring.drift.window import comparable, window_columns
from storage.reports.drift import NewValue, Observed

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Sides:
    """A window's predictions and what they are held against; texts where they are compared too."""

    rows: Sequence[Observed]
    reference: Reference
    texts: Sequence[str] = field(default_factory=tuple)

    @property
    def with_texts(self) -> bool:
        return bool(self.texts or self.reference.texts)


@dataclass(frozen=True, slots=True)
class Judgement:
    """`page` writes Evidently's HTML, and `snapshot` is what its workspace takes."""

    verdict: Verdict
    summary: str
    values: Sequence[NewValue] = ()
    page: Callable[[], str] | None = None
    snapshot: Any = None


def judge(sides: Sides, alpha: float, least_rows: int) -> Judgement:
    """Compare every column both sides have; too few rows are only counted.

    At most a share `alpha` of windows in which nothing changed is called drift.
    """
    if len(sides.rows) < least_rows:
        return Judgement(Verdict.TOO_LITTLE_DATA, too_little_data(len(sides.rows), least_rows))
    if sides.reference.rows < least_rows:
        told = too_few_to_compare_with(sides.reference.rows, least_rows)
        return Judgement(Verdict.TOO_LITTLE_DATA, told)
    # Brings Evidently; a report that has too little to judge does without.
    from monitoring.drift.comparison import Comparison
    from monitoring.drift.scores import Samples

    share = alpha / 2 if sides.with_texts else alpha
    reference, window = comparable(sides.reference.columns, window_columns(sides.rows))
    comparison = Comparison(reference, window, Samples(reference, window).thresholds(share))
    findings = [*comparison.findings(), *text_findings(sides, share)]
    histograms = {
        name: histogram(reference[name], window[name], sides.reference.edges.get(name))
        for name in reference
    }
    return Judgement(
        verdict(findings),
        summary(findings, reference, window, histograms),
        [new_value(finding, histograms.get(finding.feature, {})) for finding in findings],
        comparison.html,
        comparison.snapshot,
    )


def text_findings(sides: Sides, alpha: float) -> list[Finding]:
    """The texts themselves compared, where that was asked for and they are still kept."""
    if not sides.with_texts:
        return []
    from monitoring.drift.text_content import text_finding

    found = text_finding(sides.reference.texts, sides.texts, alpha)
    if isinstance(found, str):
        log.warning("the texts themselves are not compared: %s", found)
        return []
    return [Finding("text", found.method, found.value, found.threshold)]


def new_value(finding: Finding, histogram: dict[str, Any]) -> NewValue:
    return NewValue(
        feature=finding.feature,
        method=str(finding.method),
        value=finding.value,
        threshold=finding.threshold,
        drifted=finding.drifted,
        histogram=histogram,
    )


def histogram(
    reference: Sequence[Any], window: Sequence[Any], edges: Sequence[float] | None
) -> dict[str, Any]:
    if isinstance(reference[0], str):
        return label_histogram(reference, window)
    return number_histogram(reference, window, edges)
