"""The model with weights that several processes map from one file.

LiteRT packs the weights for the processor when it loads a model, in memory that each process has
for itself. Its `CompiledModel` can write them to a file instead (XNNPACK's weight cache).
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import numpy as np
from ai_edge_litert.compiled_model import CompiledModel
from ai_edge_litert.environment import Environment, EnvironmentOptions
from ai_edge_litert.hardware_accelerator import HardwareAccelerator
from ai_edge_litert.options import CpuOptions, Options
from numpy.typing import NDArray


class WeightsChanged(Exception):
    """LiteRT did not read the file of weights as it was, but wrote it."""


class MappedModel:
    """Raises WeightsChanged if the file does not exist any more, or not as LiteRT needs it."""

    def __init__(self, path: Path, weights: Path, threads: int) -> None:
        before = _state(weights)
        self._model = load(path, weights, threads)
        # LiteRT silently writes a file that it cannot use, and a process that wrote it can return
        # wrong logits.
        if before is None or _state(weights) != before:
            raise WeightsChanged
        self._prepare(2)
        # LiteRT initializes its buffers, and prints it, at the first run.
        self.run(np.zeros(2, np.int32))

    def run(self, token_ids: NDArray[np.int32]) -> float:
        if len(token_ids) != self._length:
            self._prepare(len(token_ids))
        self._inputs[0].write(token_ids)
        self._model.run_by_index(0, self._inputs, self._outputs)
        return float(self._outputs[0].read(1, np.float32)[0])

    def _prepare(self, length: int) -> None:
        self._length = 0
        self._model.resize_input_tensor(0, [1, length])
        self._inputs = self._model.create_input_buffers(0)
        self._outputs = self._model.create_output_buffers(0)
        self._length = length


def load(path: Path, weights: Path, threads: int) -> CompiledModel:
    """Load the model with this file of weights, which LiteRT writes if it cannot use it."""
    return CompiledModel.from_file(
        str(path),
        environment=_environment(),
        options=Options(
            hardware_accelerators=HardwareAccelerator.CPU,
            cpu_options=CpuOptions(num_threads=threads, xnnpack_weight_cache_path=str(weights)),
        ),
    )


@cache
def _environment() -> Environment:
    """Return the one environment of this process: LiteRT prints lines when it ends one.

    The default searches for libraries of accelerators and loads them.
    """
    return Environment.create(options=EnvironmentOptions(runtime_path=os.devnull))


def _state(path: Path) -> tuple[int, ...] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns
