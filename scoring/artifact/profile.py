"""The drift reference in an artifact: numbers per text and histograms, but no texts.

Training computes it on the validation split, because a model is more confident on its training
texts than it will ever be in production.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from scoring.errors import ArtifactInvalid
from scoring.input.features import INPUT_FEATURES

NUMBERS = ("probability", "confidence", *INPUT_FEATURES)
CATEGORIES = ("decision",)
MAX_ROWS = 3_000


@dataclass(frozen=True, slots=True)
class Histogram:
    """`counts[i]` values are in [edges[i], edges[i+1]); the last bin includes its right edge."""

    edges: list[float]
    counts: list[int]


@dataclass(frozen=True, slots=True)
class Profile:
    """`columns[name]` has one value per text: numbers for NUMBERS, strings for CATEGORIES."""

    model: str
    split: str
    rows: int
    columns: dict[str, list[float] | list[str]]
    histograms: dict[str, Histogram]

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Profile:
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
            raw["histograms"] = {n: Histogram(**h) for n, h in raw["histograms"].items()}
            return cls(**raw)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ArtifactInvalid(f"{path} is not a drift reference: {error}") from error
