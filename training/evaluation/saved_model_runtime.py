"""Runs the float32 SavedModel behind the same protocol as the int8 model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from scoring.errors import ScoringError


class SavedModelRuntime:
    """A `scoring.runtime.protocol.Runtime`, so that one Scorer compares both models."""

    def __init__(self, folder: Path) -> None:
        # The signature's variables live only as long as this reference does.
        self._loaded = tf.saved_model.load(str(folder))
        self._serve: Any = self._loaded.signatures["serving_default"]

    def logit(self, token_ids: NDArray[np.int32], threads: int = 1) -> float:
        logit = float(self._serve(token_ids=tf.constant(token_ids[None]))["logit"][0, 0])
        if not np.isfinite(logit):
            raise ScoringError(f"The SavedModel returned the logit {logit}, which is not finite.")
        return logit
