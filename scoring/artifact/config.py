"""The settings a model version is served with: config.json, validated."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from scoring.errors import ArtifactInvalid
from scoring.input.windows import RULES
from scoring.score import DecisionRule

SPECIAL_TOKENS = 2
FORMAT = 1


@dataclass(frozen=True, slots=True)
class ScoringConfig:
    """`max_tokens` counts [CLS] and [SEP]; `window_overlap` is in tokens of the text itself.

    `bias` is in logits and added after the division by `temperature`.
    """

    labels: tuple[str, str] = ("negative", "positive")
    threshold: float = 0.7
    temperature: float = 1.0
    top_k: int = 1
    top_p: float = 1.0
    max_tokens: int = 512
    window_overlap: int = 128
    window_rule: str = "mean"
    architecture: dict[str, Any] = field(default_factory=dict)
    format: int = FORMAT
    bias: float = 0.0

    def __post_init__(self) -> None:
        for valid, rule in (
            (self.format == FORMAT, f"format is {FORMAT}"),
            (len(self.labels) == 2 and len(set(self.labels)) == 2, "labels are two names"),
            (0.5 <= self.threshold <= 1.0, "threshold is between 0.5 and 1"),
            (self.temperature > 0.0, "temperature is above 0"),
            (math.isfinite(self.bias), "bias is a finite number"),
            (1 <= self.top_k <= 2, "top_k is 1 or 2"),
            (0.0 < self.top_p <= 1.0, "top_p is above 0 and at most 1"),
            (self.max_tokens > SPECIAL_TOKENS, "max_tokens leaves room for one token"),
            (
                0 <= self.window_overlap < self.max_tokens - SPECIAL_TOKENS,
                "window_overlap is smaller than a window",
            ),
            (self.window_rule in RULES, f"window_rule is one of {', '.join(RULES)}"),
        ):
            if not valid:
                raise ArtifactInvalid(f"The model's config.json breaks the rule that {rule}.")

    @classmethod
    def read(cls, path: Path) -> ScoringConfig:
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
            return cls(**raw | {"labels": tuple(raw["labels"])})
        except (ValueError, TypeError, KeyError) as error:
            raise ArtifactInvalid(f"{path} cannot be read: {error}.") from error

    def write(self, path: Path) -> None:
        values = asdict(self)
        if not self.bias:
            # A release that does not know the bias reads what has none, and refuses the rest.
            del values["bias"]
        path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")

    @property
    def rule(self) -> DecisionRule:
        return DecisionRule(self.labels, self.threshold, self.temperature, self.top_k, self.top_p)
