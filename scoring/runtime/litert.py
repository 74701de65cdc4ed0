"""The LiteRT runtime: int8 weights, one thread, one window at its exact length."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from scoring.errors import ArtifactInvalid, ScoringError


class LiteRtRuntime:
    """A loaded .tflite file whose one input is int32 [1, n] and whose one output is the logit.

    Not thread-safe. Resizing to a new length takes under a millisecond, so nothing is padded.
    """

    def __init__(self, path: Path) -> None:
        try:
            with quiet_stderr():
                self._interpreter = Interpreter(model_path=str(path), num_threads=1)
                # LiteRT chooses the delegate, and prints it, at the first allocation.
                self._interpreter.allocate_tensors()
            self._input = self._interpreter.get_input_details()[0]["index"]
            self._output = self._interpreter.get_output_details()[0]["index"]
        except (ValueError, RuntimeError, IndexError) as error:
            raise ArtifactInvalid(
                f"{path} is not a model that LiteRT can run: {_one_line(error)}."
            ) from error
        self._length = 0

    def logit(self, token_ids: NDArray[np.int32]) -> float:
        try:
            if len(token_ids) != self._length:
                self._resize(len(token_ids))
            self._interpreter.set_tensor(self._input, token_ids[np.newaxis, :])
            self._interpreter.invoke()
        except (ValueError, RuntimeError) as error:
            raise ScoringError(f"The model failed: {_one_line(error)}.") from error
        logit = float(self._interpreter.get_tensor(self._output).reshape(-1)[0])
        if not math.isfinite(logit):
            raise ScoringError(f"The model returned {logit} instead of a finite number.")
        return logit

    def _resize(self, length: int) -> None:
        self._interpreter.resize_tensor_input(self._input, [1, length])
        self._interpreter.allocate_tensors()
        self._length = length


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Keep the INFO line that LiteRT prints about its delegate out of the logs."""
    saved, sink = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(sink, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(sink)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")
