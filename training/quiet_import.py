"""Imports TensorFlow and Keras, configured for training alone, without their log output.

Both read the environment and the user's `keras.json`, which other programs share: the type of
numbers, the backend or a limit of epochs would change the model that a training run makes.
"""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager

from training.errors import TrainingError

SETTINGS = {
    "KERAS_BACKEND": "tensorflow",
    # Two operations at once sum gradients in either order, which makes a run irreproducible.
    # Each operation still uses all cores.
    "TF_NUM_INTEROP_THREADS": "1",
    # Training tokenizes whole batches, unlike a worker.
    "TOKENIZERS_PARALLELISM": "true",
    # Plots are written to files. matplotlib, which fails on a backend that it cannot import, is
    # imported later.
    "MPLBACKEND": "agg",
}
# The user decides how much TensorFlow logs.
DEFAULTS = {"TF_CPP_MIN_LOG_LEVEL": "3"}
PREFIXES = ("KERAS_", "TF_", "TF2_")
# What describes the machine, or makes TensorFlow more deterministic, stays.
MACHINE_PREFIXES = ("TF_CPP_", "TF_CUDA_", "TF_CUDNN_", "TF_FORCE_GPU_", "TF_GPU_")
MACHINE_NAMES = frozenset({"TF_DETERMINISTIC_OPS", "TF_NUM_INTRAOP_THREADS"})


def configure(environment: MutableMapping[str, str]) -> None:
    """Set what training relies on, and remove what would change the model."""
    for name in [name for name in environment if name.startswith(PREFIXES)]:
        if not (name.startswith(MACHINE_PREFIXES) or name in MACHINE_NAMES):
            del environment[name]
    environment.update(SETTINGS)
    for name, value in DEFAULTS.items():
        environment.setdefault(name, value)


@contextmanager
def quiet_import() -> Iterator[None]:
    """Redirect file descriptor 2, because C++ code writes there before logging is configured.

    Raises TrainingError if a package that training needs is not installed.
    """
    configure(os.environ)
    saved, sink = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(sink, 2)
        with _empty_keras_home(), warnings.catch_warnings():
            # Even if PYTHONWARNINGS makes an error of a warning in one of these packages.
            warnings.simplefilter("ignore")
            yield
    except ImportError as error:
        raise TrainingError(f"Training needs plumbline-scoring[train]: {error}.") from error
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(sink)


@contextmanager
def _empty_keras_home() -> Iterator[None]:
    """Let Keras, which reads and writes `keras.json` when it is imported, use an empty folder."""
    with tempfile.TemporaryDirectory(prefix="plumbline-keras-") as folder:
        os.environ["KERAS_HOME"] = folder
        try:
            yield
        finally:
            del os.environ["KERAS_HOME"]
