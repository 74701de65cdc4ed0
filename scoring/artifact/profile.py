"""The reference for drift, as the artifact holds it: rows of numbers and histograms, no texts.

Made at training time on the validation split, because on training texts a model is surer than it
will ever be live.
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
    """`counts[i]` values lie in [edges[i], edges[i+1]); the last bin includes its right edge."""

    edges: list[float]
    counts: list[int]


@dataclass(frozen=True, slots=True)
class Profile:
    """`columns[name]` holds one value a row: numbers for NUMBERS, strings for CATEGORIES."""

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
            raise ArtifactInvalid(f"{path} is no drift reference: {error}") from error
