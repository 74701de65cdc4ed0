"""The drift reference of a version: its scores and features on the validation split."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from plumbline_client.text import clean
from scoring.artifact.profile import MAX_ROWS, NUMBERS, Histogram, Profile
from scoring.input.familiarity import Familiarity
from scoring.input.features import INPUT_FEATURES
from scoring.input.tokenizer import Tokenizer
from scoring.score import Score

BINS = 20
# Enough for any comparison; full precision would triple the size of the file.
DIGITS = 6


def build_familiarity(texts: Iterable[str], tokenizer: Tokenizer, vocabulary: int) -> Familiarity:
    """Learn from the texts as a worker cleans them; `vocabulary` is the number of tokens."""
    cleaned = [clean(text).text for text in texts]
    return Familiarity.learn(cleaned, map(tokenizer.encode, cleaned), vocabulary)


def build_profile(model: str, split: str, scores: Sequence[Score]) -> Profile:
    """Keep one row per score, at most MAX_ROWS, without the texts."""
    kept = scores[:MAX_ROWS]
    columns: dict[str, list[float] | list[str]] = {
        "probability": [round(score.probability, DIGITS) for score in kept],
        "confidence": [round(score.confidence, DIGITS) for score in kept],
        "decision": [str(score.decision) for score in kept],
    }
    for name in INPUT_FEATURES:
        columns[name] = [round(score.features[name], DIGITS) for score in kept]
    return Profile(
        model=model,
        split=split,
        rows=len(kept),
        columns=columns,
        histograms={name: _histogram(columns[name]) for name in NUMBERS},
    )


def _histogram(values: Sequence[float | str]) -> Histogram:
    counts, edges = np.histogram(np.asarray(values, dtype=np.float64), bins=BINS)
    return Histogram([float(edge) for edge in edges], [int(count) for count in counts])
