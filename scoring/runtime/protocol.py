"""The protocol between the scorer and a runtime that executes the model."""

from __future__ import annotations

from typing import Protocol

from numpy import int32
from numpy.typing import NDArray


class Runtime(Protocol):
    def logit(self, token_ids: NDArray[int32], threads: int = 1) -> float:
        """Return the logit of the positive label for one window, computed by so many threads.

        `token_ids` [n] includes the special tokens. The number of threads does not change the
        logit. Raises ScoringError if the model fails or its logit is not finite.
        """
        ...
