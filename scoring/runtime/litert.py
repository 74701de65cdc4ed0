"""The LiteRT runtime: int8 weights, one window at its exact length."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from scoring.errors import ArtifactInvalid, ScoringError
from scoring.runtime.mapped_model import MappedModel, WeightsChanged

# What LiteRT raises for a file or an input that it cannot use.
FAILURES = (ValueError, RuntimeError, IndexError)


class Model(Protocol):
    def run(self, token_ids: NDArray[np.int32]) -> float: ...


class LiteRtRuntime:
    """A loaded .tflite file whose one input is int32 [1, n] and whose one output is the logit.

    Not thread-safe. `weights` is the file of `scoring.runtime.shared_weights`; without it, this
    process has its own copy of the weights, and a second one once it uses several threads.

    The number of threads of a model is fixed when it is loaded, so the model for several threads is
    loaded when a text needs it first, and again when the number changes.
    """

    def __init__(self, path: Path, weights: Path | None = None) -> None:
        self._path = path
        self._weights = weights
        self._single = self._load(threads=1)
        self._parallel: tuple[int, Model] | None = None

    def logit(self, token_ids: NDArray[np.int32], threads: int = 1) -> float:
        model = self._single if threads == 1 else self._load_parallel(threads)
        try:
            logit = model.run(token_ids)
        except (ValueError, RuntimeError) as error:
            raise ScoringError(f"The model failed: {_one_line(error)}.") from error
        if not math.isfinite(logit):
            raise ScoringError(f"The model returned {logit} instead of a finite number.")
        return logit

    def _load_parallel(self, threads: int) -> Model:
        if self._parallel is None or self._parallel[0] != threads:
            # The old one first, so that both do not need memory at the same time.
            self._parallel = None
            self._parallel = (threads, self._load(threads))
        return self._parallel[1]

    def _load(self, threads: int) -> Model:
        try:
            with quiet_stderr():
                if self._weights is not None:
                    try:
                        return MappedModel(self._path, self._weights, threads)
                    except WeightsChanged:
                        self._weights = None
                return InterpretedModel(self._path, threads)
        except FAILURES as error:
            raise ArtifactInvalid(
                f"{self._path} is not a model that LiteRT can run: {_one_line(error)}."
            ) from error


class InterpretedModel:
    """The model with weights that LiteRT arranges for this process alone."""

    def __init__(self, path: Path, threads: int) -> None:
        self._interpreter = Interpreter(model_path=str(path), num_threads=threads)
        # LiteRT chooses the delegate, and prints it, at the first allocation.
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._output = self._interpreter.get_output_details()[0]["index"]
        self._length = 0

    def run(self, token_ids: NDArray[np.int32]) -> float:
        if len(token_ids) != self._length:
            self._interpreter.resize_tensor_input(self._input, [1, len(token_ids)])
            self._interpreter.allocate_tensors()
            self._length = len(token_ids)
        self._interpreter.set_tensor(self._input, token_ids[np.newaxis, :])
        self._interpreter.invoke()
        return float(self._interpreter.get_tensor(self._output).reshape(-1)[0])


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
