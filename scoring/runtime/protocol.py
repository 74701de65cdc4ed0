"""The seam behind which a model runs."""

from __future__ import annotations

from typing import Protocol

from numpy import int32
from numpy.typing import NDArray


class Runtime(Protocol):
    def logit(self, token_ids: NDArray[int32]) -> float:
        """The positive label's logit for one window: `token_ids` of shape [n], specials included.

        Raises ScoringError if the model gives no finite number.
        """
        ...
