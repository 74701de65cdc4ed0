"""TensorFlow without its chatter: what it says on import is for its developers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

SETTINGS = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "KERAS_BACKEND": "tensorflow",
    # Two operations at once add up gradients in either order: the same run would end elsewhere.
    # Each operation still uses all cores.
    "TF_NUM_INTEROP_THREADS": "1",
    # Whole batches at a time here, unlike in a worker.
    "TOKENIZERS_PARALLELISM": "true",
}


@contextmanager
def quiet_import() -> Iterator[None]:
    """Silence standard error's file itself, since the lines come from C++ before any logging.

    An exception still reaches whoever imports.
    """
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    saved, sink = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(sink, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(sink)
