"""A scorer that reads the beginning of a text only, and the source whose messages kill a process.

Messages of any size then take little time; see `tests.hasty_app`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scoring.score import Score
from scoring.scorer import Scorer

DEADLY_SOURCE = "deadly"
READ_CHARS = 40


class HastyScorer(Scorer):
    def score(self, text: str) -> Score:
        return super().score(text[:READ_CHARS])


def load(folder: Path, *arguments: Any, **options: Any) -> Scorer:
    return HastyScorer.load(folder, *arguments, **options)
