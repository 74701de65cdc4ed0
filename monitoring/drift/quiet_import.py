"""Importing Evidently without its usage statistics and its deprecation warnings."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet_import() -> Iterator[None]:
    # Evidently's switch for its usage statistics.
    os.environ.setdefault("DO_NOT_TRACK", "1")
    with warnings.catch_warnings():
        # Evidently, and the web server that it brings, use deprecated parts of NumPy and of that
        # server.
        warnings.filterwarnings(
            "ignore", category=DeprecationWarning, module=r"evidently\.|litestar\."
        )
        yield
