"""Whether the texts themselves changed: Evidently's text-content drift, where texts are kept.

On one half of both sides Evidently trains a classifier (TF-IDF of the words, without English stop
words) to tell them apart, and takes its ROC AUC on the other half: 0.5 says that they cannot be.
It knows English alone, and splits at spaces: of a language written without them it sees next to
nothing. Brings Evidently, like `monitoring.drift.comparison`.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

from monitoring.drift.evidently_import import silence

with silence():
    import pandas as pd
    from evidently import DataDefinition, Dataset, Report
    from evidently.metrics import ValueDrift

METHOD = "abs_text_content_drift"
COLUMN = "text"
# With fewer on a side the halves hold too little to learn from.
FEWEST = 50
# More, and longer ones, cost time and memory and change the answer no more.
MOST = 2_000
LONGEST_CHARS = 2_000
ALPHA = 0.01


@dataclass(frozen=True, slots=True)
class TextFinding:
    """`value` is a ROC AUC in [0, 1]; above `threshold` no chance. Evidently's `method`."""

    value: float
    threshold: float
    method: str = METHOD

    @property
    def drifted(self) -> bool:
        return self.value > self.threshold


def text_finding(
    reference: Sequence[str], window: Sequence[str], alpha: float = ALPHA
) -> TextFinding | str:
    """Compare the texts of two windows, given in the order they were scored, the newest last.

    Of each side the newest MOST count. The chance of a false alarm is at most `alpha`, in (0, 0.5).
    The same texts give the same answer. Where they cannot be judged: a sentence that says why.
    """
    sides = [_clean(side) for side in (reference, window)]
    for name, side in zip(("reference", "window"), sides, strict=True):
        if len(side) < FEWEST:
            texts = "text" if len(side) == 1 else "texts"
            return f"the {name} has {len(side)} {texts}, and {FEWEST} are needed to compare texts"
    threshold = auc_threshold(len(sides[0]), len(sides[1]), alpha)
    try:
        value = _auc(sides[0], sides[1], threshold)
    except ValueError as error:
        # "empty vocabulary" of stop words alone, "After pruning, no terms remain" of one text over
        # and over: scikit-learn's words, and all there is to tell them by.
        return f"the texts hold too few different words to compare them: {error}"
    if not math.isfinite(value):
        return "the texts are too few to compare them"
    return TextFinding(value, threshold)


def auc_threshold(reference_rows: int, window_rows: int, alpha: float) -> float:
    """The AUC that a classifier which knows nothing exceeds with a chance of `alpha`.

    On half of the rows of each side, by the normal limit of the Mann-Whitney statistic: mean 1/2,
    variance (m + n + 1) / 12mn (Mann and Whitney, 1947). Ties, which a classifier that is sure of
    itself makes, only narrow it.
    """
    m, n = reference_rows / 2, window_rows / 2
    deviation = math.sqrt((m + n + 1) / (12 * m * n))
    return 0.5 + NormalDist().inv_cdf(1 - alpha) * deviation


def _clean(texts: Sequence[str]) -> list[str]:
    return [text[:LONGEST_CHARS] for text in texts[-MOST:] if text.strip()]


def _auc(reference: list[str], window: list[str], threshold: float) -> float:
    metric = ValueDrift(column=COLUMN, method=METHOD, threshold=threshold)
    with warnings.catch_warnings():
        # That it stopped after its 50 rounds, or had one side alone in its half, the value tells.
        warnings.filterwarnings("ignore", module=r"sklearn\.|evidently\.")
        # Its pictures show texts: this snapshot must be neither kept nor exported.
        snapshot = Report([metric]).run(_dataset(window), _dataset(reference))
    (result,) = snapshot.dict()["metrics"]
    return float(result["value"])


def _dataset(texts: list[str]) -> Any:
    definition = DataDefinition(text_columns=[COLUMN])
    return Dataset.from_pandas(pd.DataFrame({COLUMN: texts}), data_definition=definition)
