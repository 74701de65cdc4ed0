"""Imports TensorFlow without the log output it writes for its own developers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from training.errors import TrainingError

ENVIRONMENT = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "KERAS_BACKEND": "tensorflow",
    # Two operations at once sum gradients in either order, which makes a run irreproducible.
    # Each operation still uses all cores.
    "TF_NUM_INTEROP_THREADS": "1",
    # Training tokenizes whole batches, unlike a worker.
    "TOKENIZERS_PARALLELISM": "true",
}


@contextmanager
def quiet_import() -> Iterator[None]:
    """Redirect file descriptor 2, because C++ code writes there before logging is configured.

    Raises TrainingError if a package that training needs is not installed.
    """
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    saved, sink = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(sink, 2)
        yield
    except ImportError as error:
        raise TrainingError(f"Training needs plumbline-scoring[train]: {error}.") from error
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(sink)
