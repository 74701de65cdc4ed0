"""Runtimes for tests: small enough to know their answers by heart."""

from __future__ import annotations

from dataclasses import dataclass, field

from numpy import int32
from numpy.typing import NDArray

from scoring.errors import ScoringError


@dataclass
class ConstantRuntime:
    """Always the same logit; remembers the windows it saw."""

    value: float = 0.0
    seen: list[list[int]] = field(default_factory=list)

    def logit(self, token_ids: NDArray[int32]) -> float:
        self.seen.append(token_ids.tolist())
        return self.value


class SumRuntime:
    """The logit is the sum of the token ids, centred: different texts differ, always alike."""

    def logit(self, token_ids: NDArray[int32]) -> float:
        return float(int(token_ids.sum()) % 13 - 6)


class FailingRuntime:
    def logit(self, token_ids: NDArray[int32]) -> float:
        raise ScoringError("The model failed, as this fake always does.")
