"""The pause before an operation is tried again."""

from __future__ import annotations

import random

FIRST_S = 0.5
LONGEST_S = 30.0


def backoff_s(retries: int, draw: float | None = None) -> float:
    """Return an exponential backoff, drawn between half and whole so that workers spread out.

    `draw` in [0, 1) replaces the random number.
    """
    whole = min(LONGEST_S, FIRST_S * 2.0 ** min(retries, 30))
    return whole * (0.5 + 0.5 * (random.random() if draw is None else draw))
