"""Drift of the texts themselves: Evidently's text-content drift, while texts are stored.

Evidently trains a classifier (TF-IDF of the words, without English stop words) on one half of
reference and window to distinguish them. Its ROC AUC on the other half is the drift score: 0.5
means that it cannot. The method knows only English stop words and splits at spaces, so it detects
next to nothing in languages written without spaces. Imports Evidently, like
`monitoring.drift.comparison`.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

from monitoring.drift.quiet_import import quiet_import
from monitoring.drift.verdict import FeatureDrift

with quiet_import():
    import pandas as pd
    from evidently import DataDefinition, Dataset, Report
    from evidently.metrics import ValueDrift

FEATURE = "text"
METHOD = "abs_text_content_drift"
# With fewer texts the halves are too small to train on.
MIN_TEXTS = 50
# More texts, and longer ones, take time and memory without changing the result.
MAX_TEXTS = 2_000
MAX_TEXT_CHARS = 2_000
ALPHA = 0.01
# What scikit-learn reports about texts of stop words alone, and about identical texts.
TOO_FEW_WORDS = ("empty vocabulary", "After pruning, no terms remain")


def text_drift(
    reference: Sequence[str], window: Sequence[str], alpha: float = ALPHA
) -> FeatureDrift | str:
    """Compare the texts of two windows, each ordered by scoring time, the newest last.

    Only the newest MAX_TEXTS of each are compared. The score is a ROC AUC in [0, 1], and the
    false-alarm rate is at most `alpha`, in (0, 0.5). The same texts give the same score. If the
    texts cannot be compared, the reason is returned.
    """
    sides = [_shortened(texts) for texts in (reference, window)]
    for name, texts in zip(("reference", "window"), sides, strict=True):
        if len(texts) < MIN_TEXTS:
            noun = "text" if len(texts) == 1 else "texts"
            return f"the {name} has {len(texts)} {noun}, but at least {MIN_TEXTS} are needed"
    threshold = auc_threshold(len(sides[0]), len(sides[1]), alpha)
    try:
        auc = _auc(sides[0], sides[1], threshold)
    except ValueError as error:
        # The rest of the message could quote a text.
        reasons = [words for words in TOO_FEW_WORDS if words in str(error)]
        return ": ".join(["the texts have too few different words", *reasons])
    if not math.isfinite(auc):
        return "there are too few texts"
    return FeatureDrift(FEATURE, METHOD, auc, threshold)


def auc_threshold(reference_rows: int, window_rows: int, alpha: float) -> float:
    """Return the AUC that a random classifier exceeds with probability `alpha`.

    It is evaluated on half of the rows of each side. The normal limit of the Mann-Whitney statistic
    has mean 1/2 and variance (m + n + 1) / 12mn (Mann and Whitney, 1947). Ties, which a confident
    classifier produces, only make it narrower.
    """
    m, n = reference_rows / 2, window_rows / 2
    deviation = math.sqrt((m + n + 1) / (12 * m * n))
    return 0.5 + NormalDist().inv_cdf(1 - alpha) * deviation


def _shortened(texts: Sequence[str]) -> list[str]:
    return [text[:MAX_TEXT_CHARS] for text in texts[-MAX_TEXTS:] if text.strip()]


def _auc(reference: list[str], window: list[str], threshold: float) -> float:
    metric = ValueDrift(column=FEATURE, method=METHOD, threshold=threshold)
    with warnings.catch_warnings():
        # They warn that training stopped after 50 rounds, or that a half has one class only. The
        # AUC shows both.
        warnings.filterwarnings("ignore", module=r"sklearn\.|evidently\.")
        # The plots of this snapshot show texts, so it must be neither stored nor exported.
        snapshot = Report([metric]).run(_dataset(window), _dataset(reference))
    (result,) = snapshot.dict()["metrics"]
    return float(result["value"])


def _dataset(texts: list[str]) -> Any:
    definition = DataDefinition(text_columns=[FEATURE])
    return Dataset.from_pandas(pd.DataFrame({FEATURE: texts}), data_definition=definition)
