"""Runtimes for tests, simple enough to compute their results by hand."""

from __future__ import annotations

from dataclasses import dataclass, field

from numpy import int32
from numpy.typing import NDArray

from scoring.errors import ScoringError


@dataclass
class ConstantRuntime:
    """Returns the same logit for every window and records windows and their threads."""

    value: float = 0.0
    seen: list[list[int]] = field(default_factory=list)
    threads: list[int] = field(default_factory=list)

    def logit(self, token_ids: NDArray[int32], threads: int = 1) -> float:
        self.seen.append(token_ids.tolist())
        self.threads.append(threads)
        return self.value


class SumRuntime:
    """Returns the sum of the token ids modulo 13, centred: repeatable, but different per text."""

    def logit(self, token_ids: NDArray[int32], threads: int = 1) -> float:
        return float(int(token_ids.sum()) % 13 - 6)


class FailingRuntime:
    def logit(self, token_ids: NDArray[int32], threads: int = 1) -> float:
        raise ScoringError("The model failed, as this fake always does.")
