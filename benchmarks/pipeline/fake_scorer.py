"""A scorer that computes nothing: it answers with the score of one real text.

Each text takes BENCHMARK_SLEEP_MS, in which the process sleeps; 0 is at once. What is stored has
the size of a real prediction.
"""

from __future__ import annotations

import os
import time
from functools import cached_property

from scoring.score import Score
from scoring.scorer import Scorer

SLEEP_MS = "BENCHMARK_SLEEP_MS"


class FakeScorer(Scorer):
    @cached_property
    def _answer(self) -> Score:
        return super().score("Your parcel is ready at the counter, bring the code we sent you")

    def window_tokens(self, text: str) -> int:
        return 0

    def score(self, text: str) -> Score:
        if sleep_ms := float(os.environ.get(SLEEP_MS, "0")):
            time.sleep(sleep_ms / 1000.0)
        return self._answer
